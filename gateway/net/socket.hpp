// A connected stream socket on a reactor.
// Owns: the fd. Thread: the reactor's.
#pragma once

#include <utility>

#include "base/fd.hpp"
#include "base/ip.hpp"
#include "base/result.hpp"
#include "gateway/loop/task.hpp"
#include "gateway/net/stream.hpp"

namespace envgate::net {

class Socket final : public Stream {
 public:
  Socket() = default;
  Result<void> open(loop::Reactor& reactor, Fd fd);  // a non-blocking, connected socket
  bool is_open() const { return watch_.is_open(); }
  void close();
  Fd release();  // the fd, off the reactor: to be given to another process. No task may wait for it

  IoResult try_read(std::span<char> into) override;
  IoResult try_read(std::span<const iovec> into);  // scattered
  IoResult try_peek(std::span<char> into);         // MSG_PEEK: the bytes stay
  IoResult try_write(std::span<const iovec> from) override;
  void shutdown_write() override;
  void abort(bool reset) override;
  loop::Watch& watch() override { return watch_; }

  int fd() const { return fd_.get(); }

 private:
  IoResult received(ssize_t result, std::size_t wanted);
  Fd fd_;
  loop::Watch watch_;
};

// Two connected sockets, not blocking, where a process or a relay wants one in place of a connection
// (unix(7)).
Result<std::pair<Fd, Fd>> stream_pair();

// Keep-alive probes, so that a peer that vanished is noticed even where no deadline applies.
struct KeepAlive {
  std::chrono::seconds idle{60}, interval{15};  // idle 0: none
  int probes = 4;
};

void set_no_delay(int fd);
void set_keep_alive(int fd, const KeepAlive& keep_alive);

// A connection to a target, in `socket`. Errors: the errno of connect(2); ETIMEDOUT after `deadline`.
loop::Task<Result<void>> connect(loop::Reactor& reactor, Endpoint target, loop::Deadline deadline,
                                 Socket& socket);

}  // namespace envgate::net
