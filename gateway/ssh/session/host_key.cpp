#include "gateway/ssh/session/host_key.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <array>
#include <memory>

#include "gateway/ssh/auth/base64.hpp"
#include "gateway/ssh/auth/wire.hpp"

namespace envgate::ssh::session {
namespace {

constexpr std::size_t kSeed = 32, kBlock = 8, kLine = 70;
constexpr std::string_view kType = "ssh-ed25519";

std::string public_part(std::string_view seed) {
  using KeyPtr = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
  const KeyPtr key(
      EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr,
                                   reinterpret_cast<const unsigned char*>(seed.data()), seed.size()),
      EVP_PKEY_free);
  std::array<unsigned char, kSeed> out;
  std::size_t size = out.size();
  if (!key || EVP_PKEY_get_raw_public_key(key.get(), out.data(), &size) != 1) return {};
  return {reinterpret_cast<const char*>(out.data()), size};
}

}  // namespace

std::string openssh_private_key(std::string_view seed) {
  if (seed.size() != kSeed) return {};
  const std::string point = public_part(seed);
  if (point.empty()) return {};
  auth::Writer blob;
  blob.string(kType).string(point);
  std::string both(seed);
  both += point;
  auth::Writer secret;  // two equal check numbers, the key, a comment, padding 1 2 3 ...
  secret.uint32(1).uint32(1).string(kType).string(point).string(both).string("");
  for (std::uint8_t pad = 1; secret.bytes().size() % kBlock != 0; ++pad) secret.byte(pad);
  auth::Writer file;
  file.raw(std::string_view("openssh-key-v1\0", 15)).string("none").string("none").string("").uint32(1);
  file.string(blob.bytes()).string(secret.bytes());
  std::string encoded = auth::base64(file.bytes());
  std::string pem = "-----BEGIN OPENSSH PRIVATE KEY-----\n";
  for (std::size_t at = 0; at < encoded.size(); at += kLine) (pem += encoded.substr(at, kLine)) += '\n';
  pem += "-----END OPENSSH PRIVATE KEY-----\n";
  OPENSSL_cleanse(both.data(), both.size());
  OPENSSL_cleanse(encoded.data(), encoded.size());
  return pem;
}

}  // namespace envgate::ssh::session
