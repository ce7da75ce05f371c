// One-time codes that an authenticator application shows. Pure, but for the making of a secret. Thread: any.
// Source: RFC 6238 (TOTP) over RFC 4226 (HOTP): SHA-1, 6 digits, steps of 30 s; RFC 4648 for base32; the
// otpauth URI is what such applications read from a QR code.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "backends/secret.hpp"

namespace envgate::control::secrets {

backends::Secret make_totp_secret();  // 160 bits, base32: what RFC 4226 recommends

// The code of one step (seconds since 1970 by 30). Nothing: the secret is not base32.
std::optional<std::string> totp_code(const backends::Secret& secret, std::uint64_t step);

// The step within one of `now` whose code it is, later than `last`: a code is good once, and none that came
// before it is any more.
std::optional<std::uint64_t> totp_step(const backends::Secret& secret, std::string_view code,
                                       std::uint64_t now, std::uint64_t last);

std::string totp_uri(const backends::Secret& secret, std::string_view issuer, std::string_view account);

}  // namespace envgate::control::secrets
