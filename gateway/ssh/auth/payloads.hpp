// The packets of user authentication that the server's side writes, as payloads: type byte first, without
// SSH's framing. SSH_MSG_USERAUTH_SUCCESS is not among them: the session process sends it when it is
// admitted. Thread: any. Source: RFC 4252 sections 5.1, 5.4, 7; RFC 4256 section 3.2.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace envgate::ssh::auth {

inline constexpr std::uint8_t kUserauthRequest = 50;
inline constexpr std::uint8_t kUserauthFailure = 51;
inline constexpr std::uint8_t kUserauthBanner = 53;
inline constexpr std::uint8_t kUserauthPkOk = 60;         // in answer to "publickey"
inline constexpr std::uint8_t kUserauthInfoRequest = 60;  // in answer to "keyboard-interactive"
inline constexpr std::uint8_t kUserauthInfoResponse = 61;

inline constexpr std::size_t kBannerMax = 4096;  // bytes

// `methods` can go on.
std::string failure_payload(std::span<const std::string_view> methods, bool partial_success);
std::string pk_ok_payload(std::string_view algorithm, std::string_view key_blob);
// One prompt, whose answer is not shown.
std::string info_request_payload(std::string_view prompt);
// Cut to kBannerMax. Line ends become CR LF; other control characters, and what is not UTF-8, become '?'.
std::string banner_payload(std::string_view text);

}  // namespace envgate::ssh::auth
