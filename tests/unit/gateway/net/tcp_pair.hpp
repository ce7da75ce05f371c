// Two ends of one TCP connection over loopback: ours for the reactor, the peer's for the test, which does not
// block in either.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/fd.hpp"

namespace envgate::net {

class TcpPair {
 public:
  TcpPair() {
    Fd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    auto* const any = reinterpret_cast<sockaddr*>(&address);
    socklen_t size = sizeof(address);
    peer = Fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (::bind(listener.get(), any, size) != 0 || ::listen(listener.get(), 1) != 0 ||
        ::getsockname(listener.get(), any, &size) != 0 || ::connect(peer.get(), any, size) != 0)
      std::abort();
    ours = Fd(::accept4(listener.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  }

  // What the kernel took.
  std::size_t send(std::string_view bytes) {
    const ssize_t sent = ::send(peer.get(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    return sent < 0 ? 0 : static_cast<std::size_t>(sent);
  }

  // Adds what has arrived to `received`; notes the end, or the errno that came instead.
  void receive() {
    for (char piece[65536];;) {
      const ssize_t got = ::recv(peer.get(), piece, sizeof(piece), MSG_DONTWAIT);
      if (got == 0) at_end = true;
      if (got < 0 && errno != EAGAIN) error = errno;
      if (got <= 0) return;
      received.append(piece, static_cast<std::size_t>(got));
    }
  }
  bool has(std::size_t bytes) {
    receive();
    return received.size() >= bytes;
  }
  bool ended() {
    receive();
    return at_end || error != 0;
  }

  void finish() { ::shutdown(peer.get(), SHUT_WR); }
  void reset() {
    const linger now{1, 0};
    ::setsockopt(peer.get(), SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    peer.reset();
  }

  Fd ours, peer;
  std::string received;
  bool at_end = false;
  int error = 0;
};

}  // namespace envgate::net
