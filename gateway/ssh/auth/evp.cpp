#include "gateway/ssh/auth/evp.hpp"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

#include <memory>

#include "base/check.hpp"
#include "base/freed.hpp"

namespace envgate::ssh::auth {
namespace {

using Bignum = std::unique_ptr<BIGNUM, Freed<BN_free>>;
using Context = std::unique_ptr<EVP_PKEY_CTX, Freed<EVP_PKEY_CTX_free>>;
using Digest = std::unique_ptr<EVP_MD_CTX, Freed<EVP_MD_CTX_free>>;
using EcdsaSig = std::unique_ptr<ECDSA_SIG, Freed<ECDSA_SIG_free>>;
using Params = std::unique_ptr<OSSL_PARAM, Freed<OSSL_PARAM_free>>;
using ParamsBuilder = std::unique_ptr<OSSL_PARAM_BLD, Freed<OSSL_PARAM_BLD_free>>;
using Pkey = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;

class QuietErrors {
 public:
  QuietErrors() { ERR_set_mark(); }
  ~QuietErrors() { ERR_pop_to_mark(); }
  QuietErrors(const QuietErrors&) = delete;
  QuietErrors& operator=(const QuietErrors&) = delete;
};

const unsigned char* octets(std::string_view bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

Bignum bignum(std::string_view magnitude) {
  return Bignum(BN_bin2bn(octets(magnitude), static_cast<int>(magnitude.size()), nullptr));
}

Pkey from_data(const char* algorithm, OSSL_PARAM* params) {
  const Context context(EVP_PKEY_CTX_new_from_name(nullptr, algorithm, nullptr));
  EVP_PKEY* key = nullptr;
  if (context == nullptr || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, params) != 1)
    return nullptr;
  return Pkey(key);
}

Pkey make_key(const PublicKey& key) {
  const KeyTypeFacts& of_type = facts(key.type);
  if (of_type.mathematics == Mathematics::ed25519)
    return Pkey(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, octets(key.point), key.point.size()));
  const ParamsBuilder builder(OSSL_PARAM_BLD_new());
  CHECK(builder != nullptr);
  Bignum n, e;
  if (of_type.mathematics == Mathematics::rsa) {
    n = bignum(key.modulus);
    e = bignum(key.exponent);
    CHECK(OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n.get()) == 1 &&
          OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, e.get()) == 1);
  } else {
    CHECK(OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, of_type.group, 0) == 1 &&
          OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, key.point.data(),
                                           key.point.size()) == 1);
  }
  const Params params(OSSL_PARAM_BLD_to_param(builder.get()));
  CHECK(params != nullptr);
  return from_data(of_type.mathematics == Mathematics::rsa ? "RSA" : "EC", params.get());
}

const EVP_MD* sha2(unsigned bits) {
  switch (bits) {
    case 256: return EVP_sha256();
    case 384: return EVP_sha384();
    case 512: return EVP_sha512();
    default: return nullptr;
  }
}

}  // namespace

std::string sha256(std::string_view data) {
  std::string out(32, '\0');
  CHECK(EVP_Digest(data.data(), data.size(), reinterpret_cast<unsigned char*>(out.data()), nullptr,
                   EVP_sha256(), nullptr) == 1);
  return out;
}

bool evp_accepts(const PublicKey& key) {
  const QuietErrors quiet;
  return make_key(key) != nullptr;
}

bool evp_verify(const PublicKey& key, unsigned digest_bits, std::string_view data,
                std::string_view signature) {
  const QuietErrors quiet;
  const Pkey pkey = make_key(key);
  const Digest context(EVP_MD_CTX_new());
  if (pkey == nullptr || context == nullptr) return false;
  return EVP_DigestVerifyInit(context.get(), nullptr, sha2(digest_bits), nullptr, pkey.get()) == 1 &&
         EVP_DigestVerify(context.get(), octets(signature), signature.size(), octets(data), data.size()) == 1;
}

std::string ecdsa_der(std::string_view r, std::string_view s) {
  const EcdsaSig signature(ECDSA_SIG_new());
  CHECK(signature != nullptr);
  CHECK(ECDSA_SIG_set0(signature.get(), bignum(r).release(), bignum(s).release()) == 1);
  unsigned char* der = nullptr;
  const int size = i2d_ECDSA_SIG(signature.get(), &der);
  CHECK(size > 0);
  std::string out(reinterpret_cast<const char*>(der), static_cast<std::size_t>(size));
  OPENSSL_free(der);
  return out;
}

}  // namespace envgate::ssh::auth
