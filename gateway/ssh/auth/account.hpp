// Who a user name stands for, as the caller of userauth.hpp found it; and who has logged in. Values; thread:
// any.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/ssh/auth/decision.hpp"
#include "gateway/ssh/auth/public_key.hpp"

namespace envgate::ssh::auth {

struct Account {
  bool known = false;  // false: nobody, and nothing below counts, but the cost of `verifier`
  std::vector<PublicKey> keys;
  std::function<bool(const PublicKey&)> also_authorized;  // beside `keys`; may be empty
  // crypt(3); empty: there is no password. For who is not known, or may have none, it may be another's, of
  // the kind that the known have: a password is checked against it for the time that it takes, and never
  // right.
  std::string verifier;
  bool password_allowed = true;
  bool totp = false;                    // a verification code is asked for after whatever came first
  std::vector<PublicKey> trusted;       // CAs whose certificates are believed
  std::vector<std::string> principals;  // a certificate must name one; empty: none is accepted
};

struct Identity {
  std::string user;
  std::string_view method;     // "publickey", "certificate", "password", "keyboard-interactive"
  bool second_factor = false;  // and then a verification code
  std::string key_blob;        // publickey
  std::string fingerprint;     // publickey; certificate: of the key in it
  std::string key_id;          // certificate
  std::uint64_t serial = 0;    // certificate
  Permissions permissions;     // certificate: what it gives; else all

  bool operator==(const Identity&) const = default;
};

// With all that a customer may do where no certificate says less.
inline Identity identity_of(std::string_view user, std::string_view method) {
  Identity out;
  out.user = user;
  out.method = method;
  Permissions& may = out.permissions;
  may.agent_forwarding = may.port_forwarding = may.pty = may.user_rc = may.x11_forwarding = true;
  return out;
}

}  // namespace envgate::ssh::auth
