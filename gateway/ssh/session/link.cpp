#include "gateway/ssh/session/link.hpp"

#include <fcntl.h>
#include <poll.h>

#include <cerrno>

#include "gateway/ssh/monitor/packet_socket.hpp"

namespace envgate::ssh::session {

std::optional<Received> Link::receive() {
  monitor::Packet packet;
  const auto got = monitor::receive_packet(fd_.get(), monitor::kMessageMax, packet);
  if (got && *got == monitor::Transfer::blocked) return std::nullopt;
  gone_ = !got || *got == monitor::Transfer::end;
  if (gone_) return std::nullopt;
  auto message = monitor::decode_to_session(packet.bytes);
  gone_ = !message;
  if (gone_) return std::nullopt;
  return Received{std::move(*message), std::move(packet.descriptors[0])};
}

std::optional<Received> Link::wait(int watched) {
  for (;;) {
    pollfd fds[2] = {{fd_.get(), POLLIN, 0}, {watched, POLLRDHUP, 0}};
    if (::poll(fds, 2, -1) < 0 && errno != EINTR) return std::nullopt;
    if (fds[0].revents) return receive();
    if (fds[1].revents & (POLLRDHUP | POLLHUP | POLLERR)) return std::nullopt;
  }
}

bool Link::send(const monitor::ToMonitor& message) {
  if (gone_) return false;
  queue_.push_back(monitor::encode(message));
  pending_ += queue_.back().size();
  return flush();
}

bool Link::flush() {
  while (!queue_.empty() && !gone_) {
    const auto sent = monitor::send_packet(fd_.get(), queue_.front());
    gone_ = !sent;
    if (gone_ || *sent == monitor::Transfer::blocked) break;
    pending_ -= queue_.front().size();
    queue_.pop_front();
  }
  return !gone_;
}

void Link::stop_blocking() { fcntl(fd_.get(), F_SETFL, fcntl(fd_.get(), F_GETFL) | O_NONBLOCK); }

std::optional<Received> Link::next() { return gone_ ? std::nullopt : receive(); }

}  // namespace envgate::ssh::session
