// Ed25519 keys as OpenSSH has them: made, kept as their seed of 32 bytes, written as a line or as PEM, and
// signed with. Values; a key's memory is wiped when it dies. Thread: any.
// Source: RFC 8032; RFC 8709; OpenSSH's PROTOCOL.key.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "backends/secret.hpp"
#include "base/result.hpp"

namespace envgate::control::secrets {

class SshKey {
 public:
  static SshKey make();  // of the system's random source
  // Errors: not 32 bytes.
  static Result<SshKey> of_seed(const backends::Secret& seed);
  SshKey(const SshKey&) = default;
  SshKey& operator=(const SshKey&) = default;
  ~SshKey();

  backends::Secret seed() const;  // raw bytes, for SecretBox
  std::string public_blob() const;
  std::string public_line(std::string_view comment) const;  // "ssh-ed25519 AAAA... comment"
  // "-----BEGIN OPENSSH PRIVATE KEY-----", without a passphrase.
  backends::Secret private_pem(std::string_view comment) const;
  std::string sign(std::string_view bytes) const;  // as RFC 8709 has a signature: type, then 64 bytes

 private:
  SshKey() = default;
  std::array<unsigned char, 64> secret_{};  // the seed, then the public key
};

// The blob of "ssh-ed25519 AAAA... [comment]". Nothing: it is not one line with exactly such a key.
std::optional<std::string> ed25519_blob(std::string_view line);
// Of a key of any type: "SHA256:...", as ssh-keygen -l says it. Nothing: not a public key's line.
std::optional<std::string> fingerprint_of(std::string_view line);

}  // namespace envgate::control::secrets
