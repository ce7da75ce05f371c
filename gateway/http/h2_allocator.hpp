// What nghttp2 allocates with. Its small objects (streams, frames, header fields) come from the per-thread
// free lists of coroutine frames, so that a request in steady state costs no malloc.
//
// Its frame buffer, 16 KiB in every session for as long as it lives, is one for all sessions of a thread:
// nothing in it outlives one call of nghttp2_session_mem_send but the bytes that the call returned, and
// H2Session copies those before anybody else's call. Measured: an idle connection 40.4 KB before, 26.9 after.
// Source: nghttp2_session_mem_send_internal of nghttp2 1.52 (lib/nghttp2_session.c): what it has packed it
// returns whole, or as NO_COPY data within the call; further chunks of a long head are allocated apart.
//
// Thread: the reactor's; a session is made, used and deleted on one.
#pragma once

#include <nghttp2/nghttp2.h>

namespace envgate::http {

class H2Allocator {
 public:
  // While one is there, on this thread, a session is being made: its frame buffer is the shared one.
  H2Allocator();
  ~H2Allocator();
  H2Allocator(const H2Allocator&) = delete;
  H2Allocator& operator=(const H2Allocator&) = delete;

  static nghttp2_mem* functions();  // for nghttp2_session_server_new3; the same for all
};

}  // namespace envgate::http
