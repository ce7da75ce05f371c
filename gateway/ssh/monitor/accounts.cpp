#include "gateway/ssh/monitor/accounts.hpp"

#include <algorithm>

namespace envgate::ssh::monitor {

std::string default_login(const routing::Route& route) {
  const auto& users = route.services().ssh_users;
  return users.empty() ? std::string() : users.front().name;
}

auth::Account account_of(const Audited& audited, const routing::Route& route, std::string_view login) {
  auth::Account account;
  const auto& users = route.services().ssh_users;
  const auto found = std::find_if(users.begin(), users.end(),
                                  [&](const routing::SshUser& user) { return user.name == login; });
  if (found == users.end()) {
    if (!users.empty()) account.verifier = users.front().verifier;  // for its cost alone: it lets nobody in
    return account;
  }
  account.known = true;
  account.verifier = found->verifier;
  account.totp = found->totp;
  for (const std::string& line : found->authorized_keys)
    if (auto key = auth::parse_authorized_key(line)) account.keys.push_back(std::move(key->key));
  account.trusted = audited.user_cas;
  account.principals = {route.env.str()};
  return account;
}

auth::Account jump_account(const Audited& audited) {
  auth::Account account;
  account.known = true;
  account.password_allowed = false;
  account.also_authorized = [&keys = audited.keys](const auth::PublicKey& key) {
    return keys.known(key.blob());
  };
  return account;
}

}  // namespace envgate::ssh::monitor
