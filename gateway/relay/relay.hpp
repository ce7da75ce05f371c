// Moving bytes both ways between a client and a target until both are done: by splice(2) between two sockets,
// so that payload never enters this process, or by copying where one side is TLS.
//
// Half-close is kept: an end on one side becomes a FIN on the other, and the other direction goes on.
// Backpressure is not reading: what a slow side does not take stays in the kernel and, at most, in one pipe
// or one buffer. Thread: the reactor's. Cancel: destroying the task leaves both streams as they are.
#pragma once

#include <cstdint>
#include <string_view>

#include "gateway/loop/task.hpp"
#include "gateway/net/socket.hpp"
#include "gateway/relay/throttle.hpp"

namespace envgate::relay {

// Seen while it goes on, by the session list.
struct Progress {
  std::uint64_t to_target = 0, to_client = 0;  // bytes delivered
  loop::Time last_activity;
};

// Why it is over: the first cause, fit for a log line.
enum class End : std::uint8_t {
  closed,          // both sides closed in their own time
  client_reset,
  target_reset,
  idle,            // no byte either way for `idle_timeout`
  client_not_ssh,  // the first bytes were no SSH identification
  target_not_ssh,
  client_too_slow,  // none within `banner_timeout`
  target_too_slow,
};
std::string_view to_string(End end);

struct Options {
  bool require_ssh = false;  // check both sides' first bytes before anything is passed on
  loop::Clock::duration banner_timeout = std::chrono::seconds(10);
  loop::Clock::duration idle_timeout{0};  // 0: none
  std::size_t pipe_size = 1 << 20;        // bytes; the kernel may grant less
  Throttle throttle;
};

// Two sockets, by splice. With no pipe to be had (EMFILE) it copies instead.
loop::Task<End> relay_sockets(net::Socket& client, net::Socket& target, const Options& options,
                              Progress& progress);

// Any two streams, by copying. Options::require_ssh checks the target alone: the client's stream cannot be
// peeked, its bytes are the caller's to check; and the target must then be a net::Socket.
loop::Task<End> relay_streams(net::Stream& client, net::Stream& target, const Options& options,
                              Progress& progress);

}  // namespace envgate::relay
