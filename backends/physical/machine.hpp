// One machine of the pool, as an operator has registered it: where its sshd answers, and by which keys the
// two ends know each other. Plain values; usable on any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ip.hpp"
#include "base/result.hpp"

namespace envgate::backends::physical {

struct Machine {
  std::string name;  // 1 to 64 of [a-z0-9._-], the first of [a-z0-9]; for messages
  IpAddress address;
  std::uint16_t ssh_port = 22;
  std::string admin_user = "root";     // another one needs sudo without a password
  std::string admin_key;               // absolute path of a private key without a passphrase, readable by us
  std::vector<std::string> host_keys;  // pinned, "ssh-ed25519 AAAA..."; a comment may follow

  std::string shown() const {
    return "machine " + name + " (" + Endpoint{address, ssh_port}.to_string() + ')';
  }
  bool operator==(const Machine&) const = default;
};

// An OpenSSH public key's type and base64 text, without its comment.
// Nothing: not one of the types that OpenSSH has for hosts, or not base64 of at most 8 KiB.
std::optional<std::string> public_key(std::string_view line);

// Errors: the first value that is wrong.
Result<void> check(const Machine& machine);

}  // namespace envgate::backends::physical
