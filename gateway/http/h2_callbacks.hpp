// nghttp2's side of H2Session: making a session, and the callbacks by which it tells what arrived and asks
// for what is to be sent. Internal to the h2_ files; the one header of theirs that shows nghttp2's types.
// Thread: the reactor's.
#pragma once

#include <nghttp2/nghttp2.h>

#include <cstdint>

namespace envgate::http {

class H2Session;
struct H2Options;

// A server session with its SETTINGS queued. Throws std::bad_alloc.
nghttp2_session* make_h2_session(H2Session& owner, const H2Options& options);

// Asks an H2Exchange, which is the source's pointer, for the size of its next DATA frame.
ssize_t h2_read_callback(nghttp2_session* session, std::int32_t stream, std::uint8_t* into,
                         std::size_t length, std::uint32_t* flags, nghttp2_data_source* source, void* owner);

}  // namespace envgate::http
