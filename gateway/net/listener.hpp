// A listening socket: bound (while the process may still have the right to), then listening on a reactor.
// Thread: bind_listener any; Listener the reactor's.
#pragma once

#include "base/fd.hpp"
#include "base/ip.hpp"
#include "base/result.hpp"
#include "gateway/loop/reactor.hpp"

namespace envgate::net {

struct Accepted {
  Fd fd;
  Endpoint peer;
};

struct BindOptions {
  bool reuse_port = false;  // several sockets share the port, one per reactor
  int backlog = 4096;       // capped by net.core.somaxconn
};

// A non-blocking TCP socket that listens. An address of all zeros is "::" with IPV6_V6ONLY off, or 0.0.0.0
// where the machine has no IPv6. Errors: the errno with the address in the message.
Result<Fd> bind_listener(const Endpoint& local, const BindOptions& options);

Result<Endpoint> local_endpoint(int fd);

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
