// The Ed25519 key that signs records. It lies in a file of its own, made at the first use, and its public
// part beside it as FILE.pub, for whoever verifies. Immutable; thread: any. Source: RFC 8032; libsodium,
// crypto_sign_detached.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace envgate::record {

using PublicKey = std::array<unsigned char, 32>;
using Signature = std::array<unsigned char, 64>;

class SigningKey {
 public:
  // 64 hexadecimal digits, readable by nobody but its owner. Makes it where there is none and `create` is
  // said; of several that do so at once, all get the same. FILE.pub is written where it is not there. Errors:
  // with the remedy.
  static Result<SigningKey> open(const std::string& path, bool create);
  // Requires: 32 bytes that nobody else knows.
  static SigningKey from_seed(const std::array<unsigned char, 32>& seed);
  SigningKey(const SigningKey&) = default;
  ~SigningKey();

  Signature sign(std::string_view message) const;
  const PublicKey& public_key() const { return public_; }

 private:
  SigningKey() = default;
  std::array<unsigned char, 64> secret_{};
  PublicKey public_{};
};

// Of a FILE.pub. Errors: not there, or no key.
Result<PublicKey> read_public_key(const std::string& path);
bool is_signed_by(const PublicKey& key, std::string_view message, const Signature& signature);

}  // namespace envgate::record
