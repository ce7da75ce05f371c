// How a session logs in at its target, where no control plane says: by a certificate that is made for this
// one session and signed by the gateway's own CA, or by one key that all targets accept. Immutable; thread:
// any. Source: OpenSSH's PROTOCOL.certkeys.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "gateway/ssh/monitor/messages.hpp"
#include "record/signing_key.hpp"

namespace envgate::ssh::monitor {

struct OnwardRequest {
  std::string_view login;       // at the target
  std::string_view public_key;  // the session's own: "ssh-ed25519 AAAA..."
  std::string_view key_id;      // names session and customer in the target's log
  std::chrono::sys_seconds now;
};

class Onward {
 public:
  // Paths, either empty. `ca_file` is made where there is none. Errors: with the remedy.
  static Result<Onward> open(const std::string& ca_file, const std::string& key_file);

  // Into `target`: credential and secret. Errors: neither file was given.
  Result<void> provide(const OnwardRequest& request, Target& target) const;
  // For the targets' TrustedUserCAKeys; empty: no CA.
  std::string ca_line() const;

 private:
  std::optional<record::SigningKey> ca_;
  std::string private_key_;
};

// A certificate of `ca` for `public_key`, valid from a minute before `now` (clocks differ) to five after it.
// Errors: `public_key` is no Ed25519 key.
Result<std::string> session_certificate(const record::SigningKey& ca, const OnwardRequest& request);

}  // namespace envgate::ssh::monitor
