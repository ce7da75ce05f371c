// A request head from an HTTP/2 header block: the rules of RFC 9113 sections 8.2 and 8.3 and of RFC 8441,
// after which the request is the same RequestHead as one that came over HTTP/1.1. nghttp2 checks much of this
// too; it is checked here again because what passes is written into an HTTP/1.1 message.
// Thread: any. Owns: nothing; `out` views what `block` views.
#pragma once

#include <span>
#include <string_view>

#include "gateway/http/message.hpp"

namespace envgate::http {

struct NameValue {
  std::string_view name, value;
};

// Requires: `block` is one whole request header block, in order; `end_stream` says that no DATA follows it.
// On success `out` has framing none (END_STREAM), length (a content-length was sent; the caller holds DATA
// against it) or until_end. An extended CONNECT for websocket comes out as upgrade = websocket, method
// connect.
// Errors: 400 where the request is malformed (a stream error in RFC 9113's terms), 405 for CONNECT and TRACE,
// 414 and 431 over the limits, 417, 501 for an unknown :protocol.
Verdict build_h2_request(std::span<const NameValue> block, bool end_stream, const HeadLimits& limits,
                         RequestHead& out);

// Whether a trailer field of a request may be forwarded. Pseudo-headers and malformed names are refused.
bool is_good_h2_trailer(const NameValue& field);

}  // namespace envgate::http
