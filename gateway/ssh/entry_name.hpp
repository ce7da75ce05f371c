// The user name of an SSH login says where it goes: "root+6hiflzwte2xnkroq" or "6hiflzwte2xnkroq" alone.
// Thread: any. Owns: nothing. Source: DESIGN, "SSH".
#pragma once

#include <optional>
#include <string_view>

#include "routing/names.hpp"

namespace envgate::ssh {

inline constexpr std::size_t kLoginMax = 32;  // as useradd(8)

struct EntryName {
  std::string_view login;  // at the target; empty: the default. A view of what was parsed
  routing::EnvId env;

  bool operator==(const EntryName&) const = default;
};

// A login is 1 to kLoginMax of [A-Za-z0-9._-], without '-' at its beginning. Nothing for every other name,
// which no environment has: upper case in the id, a second '+', an empty login before one.
std::optional<EntryName> parse_entry_name(std::string_view user);

}  // namespace envgate::ssh
