// The connections of `serve`: each is stepped by its epoll loop, edge-triggered, until nothing more can be
// done.
#pragma once

#include <openssl/ssl.h>

#include <memory>

#include "socket.hpp"

namespace envgate::bench {

class Peer {
 public:
  virtual ~Peer() = default;
  virtual bool step() = 0;  // false: it has ended. Errors: Failure, which ends it too
};

// `fd` is non-blocking. `context`: null for a connection in the clear.
std::unique_ptr<Peer> make_echo_peer(Fd fd, SSL_CTX* context);
std::unique_ptr<Peer> make_raw_peer(Fd fd);

}  // namespace envgate::bench
