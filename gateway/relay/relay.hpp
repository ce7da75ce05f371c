// Moving bytes both ways between a client and a target until both are done. Between two sockets what comes in
// bulk goes by splice(2), so that it never enters this process; keystrokes are copied, which for them is
// cheaper, and so is everything where one side is TLS.
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
  bool require_ssh = false;  // hold each side's first bytes back until they are an SSH identification
  loop::Clock::duration banner_timeout = std::chrono::seconds(10);
  loop::Clock::duration idle_timeout{0};  // 0: none
  std::size_t pipe_size = 1 << 20;        // bytes; the kernel may grant less
  Throttle throttle;
};

// Two sockets. With no pipe to be had (EMFILE) all is copied. Requires: the caller closes both when it is
// over, which sends the FINs that are still due.
loop::Task<End> relay_sockets(net::Socket& client, net::Socket& target, const Options& options,
                              Progress& progress);

// Any two streams.
loop::Task<End> relay_streams(net::Stream& client, net::Stream& target, const Options& options,
                              Progress& progress);

}  // namespace envgate::relay
