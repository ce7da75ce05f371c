// Heads and trailers of answers, handed to nghttp2, which copies them. Names are in lower case,
// connection-specific fields are not among them (RFC 9113 section 8.2). Thread: the reactor's.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "gateway/http/message.hpp"
#include "gateway/http/rewrite.hpp"

struct nghttp2_session;

namespace envgate::http {

class H2Exchange;
class H2Block;

// Each: false where nghttp2 refuses, out of memory or because the stream is no longer there.

// A final head. `body`: DATA is asked of that exchange until it says that there is no more; null: the head is
// all.
bool submit_head(nghttp2_session* session, std::int32_t stream, const ResponseHead& head,
                 const ResponseForwarding& forwarding, H2Exchange* body);
bool submit_head(nghttp2_session* session, std::int32_t stream, int status, std::span<const Field> fields,
                 H2Exchange* body);
bool submit_informational(nghttp2_session* session, std::int32_t stream, const ResponseHead& head);
bool submit_trailers(nghttp2_session* session, std::int32_t stream, const H2Block& trailers);

}  // namespace envgate::http
