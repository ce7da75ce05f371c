#include "gateway/ssh/entry_name.hpp"

#include <algorithm>

namespace envgate::ssh {
namespace {

bool is_login(std::string_view text) {
  if (text.empty() || text.size() > kLoginMax || text.front() == '-') return false;
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  });
}

}  // namespace

std::optional<EntryName> parse_entry_name(std::string_view user) {
  const std::size_t plus = user.find('+');
  const bool has_login = plus != user.npos;
  const std::string_view login = has_login ? user.substr(0, plus) : std::string_view();
  if (has_login && !is_login(login)) return std::nullopt;
  const auto env = routing::EnvId::parse(has_login ? user.substr(plus + 1) : user);
  if (!env) return std::nullopt;
  return EntryName{login, *env};
}

}  // namespace envgate::ssh
