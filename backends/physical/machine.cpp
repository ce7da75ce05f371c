#include "backends/physical/machine.hpp"

#include <algorithm>

#include "backends/words.hpp"

namespace envgate::backends::physical {
namespace {

bool base64(std::string_view text) {
  while (text.size() > 2 && text.back() == '=') text.remove_suffix(1);
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '+' || c == '/';
  });
}

// ssh expands % and $ in the path of a key. It is given as a word of its own (-i), so that blanks divide
// nothing.
bool plain_path(std::string_view path) {
  return path.size() > 1 && path.size() < 4096 && path[0] == '/' && one_line(path) &&
         path.find_first_of("%$\"'") == std::string_view::npos;
}

}  // namespace

std::optional<std::string> public_key(std::string_view line) {
  constexpr std::string_view types[] = {"ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384",
                                        "ecdsa-sha2-nistp521", "ssh-rsa"};
  const std::size_t space = line.find(' ');
  if (space == std::string_view::npos) return std::nullopt;
  const std::string_view type = line.substr(0, space);
  const std::string_view rest = line.substr(space + 1);
  const std::string_view key = rest.substr(0, rest.find_first_of(" \r\n"));
  const bool known = std::find(std::begin(types), std::end(types), type) != std::end(types);
  if (!known || key.size() < 16 || key.size() > 8192 || !base64(key)) return std::nullopt;
  return std::string(type) + ' ' + std::string(key);
}

Result<void> check(const Machine& machine) {
  if (!valid_owner(machine.name)) return fail("name: is not 1 to 64 of [a-z0-9._-], the first of [a-z0-9]");
  if (machine.ssh_port == 0) return fail("ssh_port: is missing");
  if (!valid_user(machine.admin_user)) return fail("admin_user: is not 1 to 32 of [a-z0-9_-]");
  if (!plain_path(machine.admin_key)) {
    return fail("admin_key: is not the absolute path of a key file, without quotes, % and $");
  }
  if (machine.host_keys.empty()) {
    return fail("host_keys: pin at least one, as ssh-keyscan or /etc/ssh/ssh_host_ed25519_key.pub says it");
  }
  for (const std::string& key : machine.host_keys) {
    if (!public_key(key)) return fail("host_keys: '" + excerpt(key, 40) + "' is not an OpenSSH public key");
  }
  return {};
}

}  // namespace envgate::backends::physical
