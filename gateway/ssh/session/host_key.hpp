// An Ed25519 key from its seed, in the form that libssh reads: OpenSSH's PEM. Thread: any.
// Source: RFC 8032; OpenSSH's PROTOCOL.key.
#pragma once

#include <string>
#include <string_view>

namespace envgate::ssh::session {

// Empty where `seed` is not 32 bytes. Holds the private key: wipe it.
std::string openssh_private_key(std::string_view seed);

}  // namespace envgate::ssh::session
