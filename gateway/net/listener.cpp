#include "gateway/net/listener.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>

#include "base/check.hpp"
#include "gateway/net/socket.hpp"

namespace envgate::net {
Result<void> Listener::open(loop::Reactor& reactor, Fd fd) {
  auto watched = watch_.open(reactor, fd.get());
  if (watched) fd_ = std::move(fd);
  return watched;
}

void Listener::close() {
  watch_.close();
  fd_.reset();
}

Listener::Outcome Listener::accept(Accepted& out) {
  for (;;) {
    sockaddr_storage peer;
    socklen_t length = sizeof(peer);
    const int fd =
        ::accept4(fd_.get(), reinterpret_cast<sockaddr*>(&peer), &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
      out.fd = Fd(fd);
      out.peer = peer.ss_family == AF_UNIX ? Endpoint() : Endpoint::from_sockaddr(peer);
      return Outcome::accepted;
    }
    switch (errno) {
      case EAGAIN: watch_.clear(loop::Direction::read); return Outcome::none;
      case EMFILE:
      case ENFILE:
      case ENOBUFS:
      case ENOMEM: return Outcome::exhausted;
      case EBADF:
      case EINVAL:
      case ENOTSOCK:
      case EOPNOTSUPP:
      case EFAULT: CHECK(!"accept4 on a socket that does not listen"); return Outcome::none;
      default:  // EINTR, ECONNABORTED and the network errors of accept(2): that connection is gone, not the
                // socket
        continue;
    }
  }
}

}  // namespace envgate::net
