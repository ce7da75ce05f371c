// The code of an authenticator application: six digits that change every 30 seconds, of HMAC-SHA-1.
// Thread: any. Owns: nothing past a call. Source: RFC 6238, RFC 4226 section 5; RFC 4648 section 6 for the
// secret's text.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/result.hpp"
#include "gateway/secret.hpp"

namespace envgate::ssh::auth {

inline constexpr std::chrono::seconds kTotpStep{30};
inline constexpr std::size_t kTotpDigits = 6;
inline constexpr std::int64_t kTotpWindow = 1;     // steps before and after now
inline constexpr std::size_t kTotpSecretMin = 16;  // bytes; RFC 4226 section 4, R6
inline constexpr std::size_t kTotpSecretMax = 64;

// Base32 as applications show it: either case, spaces and '-' between, with or without its padding.
// Errors: what is wrong with it; never the secret.
Result<gateway::Secret> parse_totp_secret(std::string_view text);

// The code of one step, as a number of at most kTotpDigits digits. Requires: a secret as parsed.
std::uint32_t totp_code(std::string_view secret, std::uint64_t step);

// The step whose code `code` is, of those within the window around `now`; of two the later. Spaces within the
// code are passed over. The caller keeps the step, and refuses what is not after the last one: a code is
// good once (RFC 6238 section 5.2). The time that this takes does not depend on how near `code` is.
std::optional<std::uint64_t> match_totp(std::string_view secret, std::string_view code,
                                        std::chrono::sys_seconds now);

}  // namespace envgate::ssh::auth
