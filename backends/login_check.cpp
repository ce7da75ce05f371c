#include "backends/login_check.hpp"

#include <algorithm>

#include "backends/words.hpp"

namespace envgate::backends {

std::vector<FieldError> check_login(const Wanted& wanted) {
  constexpr std::size_t kMaxKeys = 64;
  std::vector<FieldError> errors;
  if (!wanted.login) return errors;
  const auto require = [&](bool good, std::string path, std::string message) {
    if (!good) errors.push_back({std::move(path), std::move(message)});
  };
  const Login& login = *wanted.login;
  require(wanted.power == Power::running, "login", "can be set in a running environment only");
  require(valid_user(login.user), "login.user", "is not 1 to 32 of [a-z0-9_-], the first of [a-z_]");
  require(login.password.reveal().size() <= 512 && one_line(login.password.reveal()), "login.password",
          "is longer than 512 bytes or has control characters");
  require(login.authorized_keys.size() <= kMaxKeys, "login.authorized_keys", "has more than 64 entries");
  for (std::size_t i = 0; i < std::min(login.authorized_keys.size(), kMaxKeys); ++i) {
    const std::string& key = login.authorized_keys[i];
    require(!key.empty() && key.size() <= 16384 && one_line(key),
            "login.authorized_keys[" + std::to_string(i) + ']', "is not one line of at most 16384 bytes");
  }
  return errors;
}

}  // namespace envgate::backends
