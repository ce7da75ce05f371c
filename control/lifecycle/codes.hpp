// One-time codes of an owner, which the gateway asks his customers for where he turned them on: kept sealed,
// each good once, and few wrong ones at a time, since six digits are soon guessed. Thread: any; blocks for
// the database.
#pragma once

#include <string>

#include "control/problem.hpp"
#include "control/secrets/secret_box.hpp"
#include "control/store/database.hpp"

namespace envgate::control {

inline constexpr long long kMostWrongCodes = 5;               // of an owner
inline constexpr std::chrono::minutes kWrongCodesCounted{5};  // from the first of them

// A new secret, in place of one that was there; the routes concerned say so from now on.
Answer<backends::Secret> turn_codes_on(store::Database& database, const secrets::SecretBox& box,
                                       const std::string& owner, const std::string& who);
// False: they were not on.
Answer<bool> turn_codes_off(store::Database& database, const std::string& owner, const std::string& who);

// Whether it is a code of the environment's owner that was not used before. `now`: seconds since 1970.
// Errors: 404; 409 no_totp, he has none turned on; 429, too many wrong ones.
Answer<bool> check_code(store::Database& database, const secrets::SecretBox& box,
                        const std::string& environment, const std::string& code, long long now,
                        const std::string& who);

}  // namespace envgate::control
