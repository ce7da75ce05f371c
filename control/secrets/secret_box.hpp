// Seals secrets for the database: XChaCha20-Poly1305 under a key that lies in a file of its own, so that the
// database, or a copy of it, alone tells nothing. What a secret belongs to is authenticated with it: a sealed
// text that was moved to another environment does not open. Immutable; thread: any.
// Source: libsodium, crypto_aead_xchacha20poly1305_ietf; a random nonce of 24 bytes for each sealing.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "backends/secret.hpp"
#include "base/result.hpp"

namespace envgate::control::secrets {

using backends::Secret;

class SecretBox {
 public:
  // Reads the key file, 32 bytes, readable by nobody but its owner. Makes it where there is none and `create`
  // is said. Errors: with the remedy.
  static Result<SecretBox> open(const std::string& path, bool create);
  SecretBox(const SecretBox&) = default;
  ~SecretBox();

  // Base64 text. `belongs_to` is not kept in it.
  std::string seal(const Secret& secret, std::string_view belongs_to) const;
  // Errors: changed, of another place, or sealed with another key.
  Result<Secret> unseal(std::string_view sealed, std::string_view belongs_to) const;

 private:
  SecretBox() = default;
  std::array<unsigned char, 32> key_{};
};

}  // namespace envgate::control::secrets
