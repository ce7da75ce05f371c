// The WebSocket opening handshake as checks on heads: is this request a good one, is this answer truly its
// acceptance. After both, the two connections are a tunnel and nobody here looks into it.
// Thread: any. Owns: nothing.
// Source: RFC 6455 sections 4.1 and 4.2, RFC 8441 section 5.
#pragma once

#include <array>
#include <string_view>

#include "gateway/http/message.hpp"

namespace envgate::http {

inline constexpr std::size_t kWebSocketKeySize = 24, kWebSocketAcceptSize = 28;

// Requires: head.upgrade is websocket. Errors: 400, and 426 where the version is not 13 (the answer then
// carries Sec-WebSocket-Version: 13).
Verdict check_websocket_request(const RequestHead& head);

// 16 bytes in base64: 22 characters and "==".
bool is_websocket_key(std::string_view key);
// From the system's random source.
std::array<char, kWebSocketKeySize> generate_websocket_key();
std::array<char, kWebSocketAcceptSize> websocket_accept(std::string_view key);

// The key that goes to the target: the client's own. Requires: an HTTP/1.1 request that passed the check.
std::string_view websocket_key(const RequestHead& head);

// Whether a 101 accepts the handshake that was sent with `key`. Errors: 502. Requires: head.upgrade is
// websocket.
Verdict check_websocket_response(const ResponseHead& head, std::string_view key);

}  // namespace envgate::http
