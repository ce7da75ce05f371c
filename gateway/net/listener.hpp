// A listening socket (base/tcp_listen.hpp made it) on a reactor. Thread: the reactor's.
#pragma once

#include "base/fd.hpp"
#include "base/ip.hpp"
#include "base/result.hpp"
#include "base/tcp_listen.hpp"
#include "gateway/loop/reactor.hpp"

namespace envgate::net {

struct Accepted {
  Fd fd;
  Endpoint peer;
};

class Listener {
 public:
  Result<void> open(loop::Reactor& reactor, Fd fd);
  void close();
  bool is_open() const { return watch_.is_open(); }
  int fd() const { return fd_.get(); }

  enum class Outcome { accepted, none, exhausted };
  // `exhausted`: the process or the machine has no fd or memory left; the caller pauses. Connections that
  // were reset before they were accepted are passed over.
  Outcome accept(Accepted& out);

  loop::Watch& watch() { return watch_; }

 private:
  Fd fd_;
  loop::Watch watch_;
};

}  // namespace envgate::net
