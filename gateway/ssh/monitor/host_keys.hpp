// The host keys that audited sessions show: one for each environment, and one for the entry that all share,
// made of one secret, so that nothing is stored for them, every gateway with the same file shows the same,
// and a session process that is broken into knows the key of its own environment alone. Immutable; thread:
// any.
//
// An environment's seed is the hash of what the secret signs for it: Ed25519 is deterministic, and what it
// signs for these texts is shown to nobody. Source: RFC 8032 sections 5.1.5 and 5.1.6.
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"
#include "record/signing_key.hpp"

namespace envgate::ssh::monitor {

class HostKeys {
 public:
  // The entry that is no environment of its own: no id has a capital letter.
  static constexpr std::string_view kShared = "GATEWAY";

  // Made where there is none. Errors: with the remedy.
  static Result<HostKeys> open(const std::string& path);

  std::string seed_of(std::string_view entry) const;        // 32 bytes, secret
  std::string public_key_of(std::string_view entry) const;  // "ssh-ed25519 AAAA...", for known_hosts

 private:
  explicit HostKeys(record::SigningKey secret) : secret_(secret) {}
  record::SigningKey secret_;
};

// "ssh-ed25519 AAAA..." of an Ed25519 public key.
std::string ssh_line(const record::PublicKey& key);

}  // namespace envgate::ssh::monitor
