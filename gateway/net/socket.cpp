#include "gateway/net/socket.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

namespace envgate::net {

using loop::Direction;

Result<void> Socket::open(loop::Reactor& reactor, Fd fd) {
  auto watched = watch_.open(reactor, fd.get());
  if (!watched) return watched;
  fd_ = std::move(fd);
  return {};
}

void Socket::close() {
  watch_.close();
  fd_.reset();
}

Fd Socket::release() {
  watch_.detach();
  return std::move(fd_);
}

IoResult Socket::received(ssize_t result, std::size_t wanted) {
  if (result > 0) {
    // A short read has emptied the socket: the next bytes come with an edge of their own, so the read that
    // would only find EAGAIN is spared (2.1 us, FACTS). Not after a FIN: Watch keeps the direction ready
    // then.
    if (static_cast<std::size_t>(result) < wanted) watch_.clear(Direction::read);
    return IoResult::done(static_cast<std::size_t>(result));
  }
  if (result == 0) return IoResult::end();
  if (errno == EAGAIN || errno == EWOULDBLOCK) {
    watch_.clear(Direction::read);
    return IoResult::blocked(Direction::read);
  }
  return IoResult::failed(errno);
}

IoResult Socket::try_read(std::span<char> into) {
  if (!watch_.ready(Direction::read)) return IoResult::blocked(Direction::read);
  ssize_t result;
  do result = ::recv(fd_.get(), into.data(), into.size(), 0);
  while (result < 0 && errno == EINTR);
  return received(result, into.size());
}

IoResult Socket::try_read(std::span<const iovec> into) {
  if (!watch_.ready(Direction::read)) return IoResult::blocked(Direction::read);
  std::size_t wanted = 0;
  for (const iovec& piece : into) wanted += piece.iov_len;
  ssize_t result;
  do result = ::readv(fd_.get(), into.data(), static_cast<int>(into.size()));
  while (result < 0 && errno == EINTR);
  return received(result, wanted);
}

IoResult Socket::try_peek(std::span<char> into) {
  ssize_t result;
  do result = ::recv(fd_.get(), into.data(), into.size(), MSG_PEEK);
  while (result < 0 && errno == EINTR);
  if (result > 0) return IoResult::done(static_cast<std::size_t>(result));
  if (result == 0) return IoResult::end();
  if (errno != EAGAIN && errno != EWOULDBLOCK) return IoResult::failed(errno);
  watch_.clear(Direction::read);
  return IoResult::blocked(Direction::read);
}

IoResult Socket::try_write(std::span<const iovec> from) {
  if (!watch_.ready(Direction::write)) return IoResult::blocked(Direction::write);
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(from.data());
  message.msg_iovlen = from.size();
  ssize_t result;
  // One piece, the usual, spares the kernel the gathering: 0.3 us of 7 (perf, h2).
  do
    result = from.size() == 1 ? ::send(fd_.get(), from[0].iov_base, from[0].iov_len, MSG_NOSIGNAL)
                              : ::sendmsg(fd_.get(), &message, MSG_NOSIGNAL);
  while (result < 0 && errno == EINTR);
  if (result >= 0) return IoResult::done(static_cast<std::size_t>(result));
  if (errno != EAGAIN && errno != EWOULDBLOCK) return IoResult::failed(errno);
  watch_.clear(Direction::write);
  return IoResult::blocked(Direction::write);
}

void Socket::shutdown_write() { ::shutdown(fd_.get(), SHUT_WR); }

void Socket::abort(bool reset) {
  if (!fd_) return;
  if (reset) {
    // Dissolving the association (connect(2), AF_UNSPEC) sends RST at once and wakes both directions.
    const sockaddr none{AF_UNSPEC, {}};
    if (::connect(fd_.get(), &none, sizeof(none)) == 0) return;
  }
  ::shutdown(fd_.get(), SHUT_RDWR);
}

Result<std::pair<Fd, Fd>> stream_pair() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0)
    return fail_errno("socketpair", errno);
  return std::pair(Fd(ends[0]), Fd(ends[1]));
}

void set_no_delay(int fd) {
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

void set_keep_alive(int fd, const KeepAlive& keep_alive) {
  if (keep_alive.idle.count() == 0) return;
  const int on = 1;
  const int idle = static_cast<int>(keep_alive.idle.count()),
            interval = static_cast<int>(keep_alive.interval.count());
  ::setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
  ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
  ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof(interval));
  ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &keep_alive.probes, sizeof(keep_alive.probes));
}

loop::Task<Result<void>> connect(loop::Reactor& reactor, Endpoint target, loop::Deadline deadline,
                                 Socket& socket) {
  sockaddr_storage address;
  const socklen_t length = target.to_sockaddr(address);
  Fd fd(::socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) co_return fail_errno("socket", errno);
  set_no_delay(fd.get());
  const int rc = ::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), length);
  const int refused = rc == 0 ? 0 : errno;
  if (refused != 0 && refused != EINPROGRESS) co_return fail_errno("connect", refused);
  // Registered after connect(2), so that the first event tells its outcome and not that it is still going on.
  auto opened = socket.open(reactor, std::move(fd));
  if (!opened) co_return opened;
  if (refused == 0) co_return Result<void>();
  socket.watch().clear(Direction::write);
  int error = ETIMEDOUT;
  socklen_t size = sizeof(error);
  const bool ready = co_await loop::WatchReady(socket.watch(), Direction::write, deadline);
  // Writable, and no error was announced with it: connected. Else the socket knows.
  if (ready && !socket.watch().peer_closed()) co_return Result<void>();
  if (ready) ::getsockopt(socket.fd(), SOL_SOCKET, SO_ERROR, &error, &size);
  if (error == 0) co_return Result<void>();
  socket.close();
  co_return fail_errno("connect", error);
}

}  // namespace envgate::net
