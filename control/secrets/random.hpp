// Ids, passwords and tokens from the operating system's random source, without bias. Thread: any.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace envgate::control::secrets {

// 16 of [a-z0-9].
std::string make_id();

// "envgate_" and 43 of [A-Za-z0-9]: 256 bits, which nobody guesses, so that a plain hash of it keeps it.
std::string make_token();
// SHA-256 in hexadecimal.
std::string hash_of_token(std::string_view token);

std::uint32_t random_below(std::uint32_t bound);  // Requires: bound > 0

// One policy both makes and checks, so that what it makes always passes.
struct PasswordPolicy {
  std::size_t least = 12;
  std::size_t made = 32;
  std::string make() const;  // lower, upper, digit and sign, each at least once
  Result<void> check(std::string_view password) const;
};

}  // namespace envgate::control::secrets
