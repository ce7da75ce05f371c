#include "gateway/ssh/monitor/packet_stream.hpp"

#include <fcntl.h>
#include <sys/socket.h>

#include "gateway/ssh/monitor/packet_socket.hpp"

namespace envgate::ssh::monitor {

using loop::Direction;
using net::IoResult;

Result<void> PacketStream::open(loop::Reactor& reactor, Fd fd) {
  if (fcntl(fd.get(), F_SETFL, fcntl(fd.get(), F_GETFL) | O_NONBLOCK) != 0) return fail_errno("fcntl", errno);
  auto watched = watch_.open(reactor, fd.get());
  if (!watched) return watched;
  fd_ = std::move(fd);
  return {};
}

// A short read does not empty this socket: only EAGAIN tells.
IoResult PacketStream::try_read(std::span<char> into) {
  if (!watch_.ready(Direction::read)) return IoResult::blocked(Direction::read);
  ssize_t got;
  do got = ::recv(fd_.get(), into.data(), into.size(), 0);
  while (got < 0 && errno == EINTR);
  if (got > 0) return IoResult::done(static_cast<std::size_t>(got));
  if (got == 0) return IoResult::end();
  if (errno != EAGAIN) return IoResult::failed(errno);
  watch_.clear(Direction::read);
  return watch_.ready(Direction::read) ? IoResult::end() : IoResult::blocked(Direction::read);
}

IoResult PacketStream::try_write(std::span<const iovec> from) {
  const msghdr message{nullptr, 0, const_cast<iovec*>(from.data()), from.size(), nullptr, 0, 0};
  const ssize_t sent = ::sendmsg(fd_.get(), &message, MSG_NOSIGNAL);
  return sent < 0 ? IoResult::failed(errno) : IoResult::done(static_cast<std::size_t>(sent));
}

void PacketStream::shutdown_write() { ::shutdown(fd_.get(), SHUT_WR); }

void PacketStream::abort(bool) {
  if (!last_words_.empty()) send(last_words_);
  ::shutdown(fd_.get(), SHUT_WR);  // it ends, and then so does what it says
}

bool PacketStream::send(std::string_view packet, int descriptor) {
  const auto sent =
      descriptor < 0 ? send_packet(fd_.get(), packet) : send_packet(fd_.get(), packet, {descriptor});
  return sent && *sent == Transfer::done;
}

}  // namespace envgate::ssh::monitor
