#include "material.hpp"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <cstdio>
#include <cstdlib>
#include <stdexcept>

#include "gateway/ssh/auth/base64.hpp"
#include "gateway/ssh/auth/evp.hpp"

namespace envgate::ssh::auth::test {
namespace {

void must(bool fine, const char* what) {
  if (!fine) throw std::runtime_error(what);
}

std::shared_ptr<EVP_PKEY> owned(EVP_PKEY* key) {
  must(key != nullptr, "OpenSSL made no key");
  return {key, EVP_PKEY_free};
}

std::string number_of(EVP_PKEY* key, const char* parameter) {
  BIGNUM* number = nullptr;
  must(EVP_PKEY_get_bn_param(key, parameter, &number) == 1, parameter);
  std::string out(static_cast<std::size_t>(BN_num_bytes(number)), '\0');
  BN_bn2bin(number, reinterpret_cast<unsigned char*>(out.data()));
  BN_free(number);
  return out;
}

std::string magnitude(const BIGNUM* number) {
  std::string out(static_cast<std::size_t>(BN_num_bytes(number)), '\0');
  BN_bn2bin(number, reinterpret_cast<unsigned char*>(out.data()));
  return out;
}

PublicKey public_part(KeyType type, EVP_PKEY* key) {
  PublicKey out;
  out.type = type;
  const KeyTypeFacts& of_type = facts(type);
  if (of_type.mathematics == Mathematics::rsa) {
    out.modulus = number_of(key, OSSL_PKEY_PARAM_RSA_N);
    out.exponent = number_of(key, OSSL_PKEY_PARAM_RSA_E);
  } else {
    unsigned char point[256];
    std::size_t size = sizeof point;
    must(EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point, &size) == 1,
         "no public key");
    out.point.assign(reinterpret_cast<const char*>(point), size);
  }
  if (of_type.security_key) out.application = "ssh:";
  return out;
}

std::string evp_sign(EVP_PKEY* key, const EVP_MD* digest, std::string_view data) {
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  unsigned char out[4096];
  std::size_t size = sizeof out;
  must(EVP_DigestSignInit(context.get(), nullptr, digest, nullptr, key) == 1, "EVP_DigestSignInit");
  must(EVP_DigestSign(context.get(), out, &size, reinterpret_cast<const unsigned char*>(data.data()),
                      data.size()) == 1,
       "EVP_DigestSign");
  return {reinterpret_cast<const char*>(out), size};
}

std::string ssh_form(std::string_view der) {
  auto at = reinterpret_cast<const unsigned char*>(der.data());
  ECDSA_SIG* const signature = d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size()));
  must(signature != nullptr, "d2i_ECDSA_SIG");
  const BIGNUM *r, *s;
  ECDSA_SIG_get0(signature, &r, &s);
  const std::string out = Writer().mpint(magnitude(r)).mpint(magnitude(s)).bytes();
  ECDSA_SIG_free(signature);
  return out;
}

// ssh-keygen writes Ed25519 in OpenSSH's own format alone.
std::shared_ptr<EVP_PKEY> read_ed25519(const std::string& pem) {
  std::string text;
  std::istringstream lines(pem);
  for (std::string line; std::getline(lines, line);)
    if (line.rfind("-----", 0) != 0) text += line;
  const std::string bytes = from_base64(text).value();
  constexpr std::string_view kMagic("openssh-key-v1\0", 15);
  must(bytes.compare(0, kMagic.size(), kMagic) == 0, "no OpenSSH key");
  Reader reader(std::string_view(bytes).substr(kMagic.size()));
  std::string_view cipher, kdf, options, open, secret, type, point, seed;
  std::uint32_t count, check[2];
  must(reader.string(cipher) && reader.string(kdf) && reader.string(options) && reader.uint32(count) &&
           reader.string(open) && reader.string(secret) && cipher == "none" && count == 1,
       "an OpenSSH key that is not as expected");
  Reader inner(secret);
  must(inner.uint32(check[0]) && inner.uint32(check[1]) && check[0] == check[1] && inner.string(type) &&
           inner.string(point) && inner.string(seed) && seed.size() == 64,
       "an OpenSSH key's secret that is not as expected");
  return owned(EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr,
                                            reinterpret_cast<const unsigned char*>(seed.data()), 32));
}

std::shared_ptr<EVP_PKEY> read_pkcs8(const std::string& file) {
  FILE* const in = std::fopen(file.c_str(), "r");
  must(in != nullptr, "no private key");
  EVP_PKEY* const key = PEM_read_PrivateKey(in, nullptr, nullptr, nullptr);
  std::fclose(in);
  return owned(key);
}

std::string first_lines_word(const std::string& line, int word) {
  std::istringstream in(line);
  std::string out;
  for (int i = 0; i <= word; ++i) in >> out;
  return out;
}

}  // namespace

KeyPair make_pair(KeyType type) {
  const KeyTypeFacts& of_type = facts(type);
  const auto secret =
      owned(of_type.mathematics == Mathematics::rsa       ? EVP_RSA_gen(2048)
            : of_type.mathematics == Mathematics::ed25519 ? EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519")
                                                          : EVP_EC_gen(of_type.group));
  return {public_part(type, secret.get()), secret};
}

std::string_view algorithm_of(const PublicKey& key) {
  return key.type == KeyType::rsa ? "rsa-sha2-512" : key.name();
}

std::string sign(const KeyPair& pair, std::string_view algorithm, std::string_view data,
                 Assertion assertion) {
  const KeyTypeFacts& of_type = facts(pair.key.type);
  std::string assertion_data;
  if (of_type.security_key) {
    assertion_data = Writer()
                         .raw(sha256(pair.key.application))
                         .byte(assertion.flags)
                         .uint32(assertion.counter)
                         .raw(sha256(data))
                         .bytes();
    data = assertion_data;
  }
  const EVP_MD* digest = nullptr;
  if (algorithm == "ssh-rsa")
    digest = EVP_sha1();
  else if (algorithm.find("384") != algorithm.npos)
    digest = EVP_sha384();
  else if (algorithm.find("521") != algorithm.npos || algorithm.find("512") != algorithm.npos)
    digest = EVP_sha512();
  else if (of_type.mathematics != Mathematics::ed25519)
    digest = EVP_sha256();
  std::string value = evp_sign(pair.secret.get(), digest, data);
  if (of_type.mathematics == Mathematics::ecdsa) value = ssh_form(value);
  Writer out;
  out.string(algorithm).string(value);
  if (of_type.security_key) out.byte(assertion.flags).uint32(assertion.counter);
  return out.bytes();
}

Certificate certified(Certificate certificate, const KeyPair& ca) {
  certificate.ca = ca.key;
  certificate.signature = parse_signature(sign(ca, algorithm_of(ca.key), certificate.signed_part())).value();
  return certificate;
}

std::string unhex(std::string_view text) {
  std::string out, digits;
  for (const char c : text) {
    if (c == ' ') continue;
    digits += c;
    if (digits.size() < 2) continue;
    out += static_cast<char>(std::stoi(digits, nullptr, 16));
    digits.clear();
  }
  return out;
}

std::string with_flipped(std::string_view bytes, std::size_t at, std::uint8_t mask) {
  std::string out(bytes);
  out[at] = static_cast<char>(static_cast<std::uint8_t>(out[at]) ^ mask);
  return out;
}

void WithKeygen::SetUp() {
  if (std::system("command -v ssh-keygen >/dev/null 2>&1") != 0)
    GTEST_SKIP() << "ssh-keygen is not installed (openssh-client)";
}

std::string WithKeygen::keygen(const std::string& arguments) {
  const std::string log = path("keygen.log");
  const int status = std::system(("ssh-keygen " + arguments + " </dev/null >" + log + " 2>&1").c_str());
  std::string output = envgate::test::read_file(log);
  must(status == 0, ("ssh-keygen " + arguments + ": " + output).c_str());
  return output;
}

KeyPair WithKeygen::make_file(const std::string& name, const std::string& arguments) {
  keygen("-q -N '' -C 'a comment' -m PKCS8 -f " + path(name) + " " + arguments);
  std::string line = envgate::test::read_file(path(name + ".pub"));
  line.pop_back();
  KeyPair pair;
  pair.key = parse_authorized_key(line).value().key;
  pair.secret = pair.key.type == KeyType::ed25519 ? read_ed25519(envgate::test::read_file(path(name)))
                                                  : read_pkcs8(path(name));
  return pair;
}

void WithKeygen::write_public(const std::string& name, const PublicKey& key) {
  directory_.write(name + ".pub", std::string(key.name()) + " " + base64(key.blob()) + " a comment\n");
}

std::string WithKeygen::certify(const std::string& ca, const std::string& name,
                                const std::string& arguments) {
  keygen("-q -s " + path(ca) + " " + arguments + " " + path(name + ".pub"));
  return from_base64(first_lines_word(envgate::test::read_file(path(name + "-cert.pub")), 1)).value();
}

}  // namespace envgate::ssh::auth::test
