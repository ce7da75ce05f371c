// One request of the method "publickey", judged by itself: an offer (is it worth signing with this key?), or
// a login with its signature. What was offered before plays no part. Thread: any. Owns: nothing past a call.
// Source: RFC 4252 section 7; OpenSSH's PROTOCOL.certkeys.
#pragma once

#include <string_view>
#include <tl/expected.hpp>

#include "gateway/ssh/auth/account.hpp"

namespace envgate::ssh::auth {

struct KeyLogin {
  std::string_view session_id;
  std::string_view user;
  std::string_view algorithm;
  std::string_view blob;  // of a key or a certificate
  bool is_signed = false;
  std::string_view signature;
  std::string_view host_key;  // as in UserauthRequest
  IpAddress peer;
  std::chrono::sys_seconds now;
};

struct Denied {
  std::string_view reason;  // a literal in snake_case
  std::string text;         // for the operator
};

// Who that is; of an offer, who it would be: that says nothing until there is a signature.
tl::expected<Identity, Denied> judge(const KeyLogin& login, const Account& account);

}  // namespace envgate::ssh::auth
