// One HTTP/1.1 connection of the admin API: reads requests whole, within bounds, hands each to `answer`, and
// writes what it says, whole or as a stream in chunks. Built from the data plane's own strict parser; there
// is no second one. Thread: the admin reactor's.
#pragma once

#include <functional>

#include "gateway/admin/message.hpp"
#include "gateway/loop/task.hpp"
#include "gateway/net/socket.hpp"

namespace envgate::admin {

struct ConnectionLimits {
  std::size_t body = 64 * 1024;  // bytes; beyond it 413
  loop::Clock::duration idle = std::chrono::seconds(60);
  loop::Clock::duration head = std::chrono::seconds(10);
  loop::Clock::duration body_time = std::chrono::seconds(10);
  loop::Clock::duration write = std::chrono::seconds(30);
  loop::Clock::duration heartbeat = std::chrono::seconds(10);  // of a stream that has nothing to say
};

using Answer = std::function<Response(Request& request)>;

// Until the client closes, breaks a rule, or runs into a deadline.
loop::Task<void> serve_connection(net::Socket& socket, Caller caller, const ConnectionLimits& limits,
                                  const Answer& answer);

}  // namespace envgate::admin
