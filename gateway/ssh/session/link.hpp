// The session process's end of the socketpair to its monitor: blocking until the relay begins, queued from
// then on. A monitor that is gone, or that says what cannot be read, ends the process. Thread: the session's.
#pragma once

#include <deque>
#include <optional>
#include <string>

#include "base/fd.hpp"
#include "gateway/ssh/monitor/messages.hpp"

namespace envgate::ssh::session {

struct Received {
  monitor::ToSession message;
  Fd descriptor;
};

class Link {
 public:
  explicit Link(Fd fd) : fd_(std::move(fd)) {}

  int fd() const { return fd_.get(); }
  // Before the relay: waits. Nothing: the monitor is gone, or `watched` (a socket; -1: none) was closed by
  // its peer.
  std::optional<Received> wait(int watched = -1);
  // Queued where the monitor is slow. False: it is gone.
  bool send(const monitor::ToMonitor& message);

  void stop_blocking();
  std::optional<Received> next();  // not blocking; nothing: none now, or gone()
  bool flush();
  bool gone() const { return gone_; }
  std::size_t pending() const { return pending_; }  // bytes queued

 private:
  std::optional<Received> receive();

  Fd fd_;
  std::deque<std::string> queue_;
  std::size_t pending_ = 0;
  bool gone_ = false;
};

}  // namespace envgate::ssh::session
