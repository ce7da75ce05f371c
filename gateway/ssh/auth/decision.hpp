// Whether a user's certificate is to be believed, for this principal, from this address, at this time; and
// what it then permits. Whatever is not understood and could restrict refuses. Thread: any. Owns: nothing
// past a call, and its answer. Source: OpenSSH's PROTOCOL.certkeys. Stricter than OpenSSH's sshd where it
// leaves room: a certificate without principals is for nobody, options are in order, verify-required needs a
// security key.
#pragma once

#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "base/ip.hpp"
#include "gateway/ssh/auth/certificate.hpp"

namespace envgate::ssh::auth {

struct CertificateRequest {
  const Certificate& certificate;
  std::string_view principal;  // one of the certificate's must be it, byte for byte
  IpAddress peer;
  std::chrono::sys_seconds now;
  std::span<const PublicKey> trusted;  // the CAs' keys
};

struct Permissions {
  std::optional<std::string> force_command;  // never empty
  bool verify_required = false;
  bool no_touch_required = false;
  bool agent_forwarding = false;
  bool port_forwarding = false;
  bool pty = false;
  bool user_rc = false;
  bool x11_forwarding = false;

  bool operator==(const Permissions&) const = default;
  // What the signature of the request must then show: for verify_userauth.
  Presence presence() const { return {!no_touch_required, verify_required}; }
};

tl::expected<Permissions, Refused> decide(const CertificateRequest& request);

}  // namespace envgate::ssh::auth
