#include "gateway/ssh/session/jump_channel.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "gateway/ssh/auth/wire.hpp"
#include "gateway/ssh/session/connection/message.hpp"

namespace envgate::ssh::session {

JumpChannel::JumpChannel(Leg& client, std::uint32_t id, std::uint32_t peer, std::uint32_t window,
                         std::uint32_t packet)
    : client_(client), id_(id), peer_(peer), peer_packet_(packet), peer_window_(window) {}

void JumpChannel::opened(Fd socket) {
  waiting_ = false;
  socket_ = std::move(socket);
  fcntl(socket_.get(), F_SETFL, fcntl(socket_.get(), F_GETFL) | O_NONBLOCK);
  auth::Writer confirmation;
  confirmation.byte(message::kOpenConfirmation).uint32(peer_).uint32(id_).uint32(kWindow).uint32(kPacket);
  client_.send(confirmation.bytes());
}

void JumpChannel::refused(std::string_view text) {
  waiting_ = false;
  close_sent_ = close_received_ = true;
  auth::Writer failure;
  failure.byte(message::kOpenFailure)
      .uint32(peer_)
      .uint32(static_cast<std::uint32_t>(OpenFailure::connect_failed))
      .string(text)
      .string("");
  client_.send(failure.bytes());
}

void JumpChannel::send(std::uint8_t type) {
  auth::Writer message;
  message.byte(type).uint32(peer_);
  client_.send(message.bytes());
}

bool JumpChannel::data(std::string_view bytes) {
  if (waiting_ || eof_received_ || close_received_ || bytes.size() > window_ || bytes.size() > kPacket)
    return false;
  window_ -= static_cast<std::uint32_t>(bytes.size());
  bytes_to_target += bytes.size();
  if (close_sent_) return true;  // over on that side: what still comes is passed over
  out_ += bytes;
  write_out();
  return true;
}

bool JumpChannel::adjust(std::uint32_t more) {
  if (waiting_ || more > UINT32_MAX - peer_window_) return false;
  peer_window_ += more;
  return true;
}

bool JumpChannel::eof() {
  if (waiting_ || eof_received_ || close_received_) return false;
  eof_received_ = true;
  write_out();
  end_if_done();
  return true;
}

bool JumpChannel::close() {
  if (waiting_ || close_received_) return false;
  close_received_ = true;
  if (!close_sent_) send(message::kClose);
  close_sent_ = true;
  return true;
}

short JumpChannel::events(bool may_send) const {
  if (!socket_ || close_sent_) return 0;
  int events = 0;
  if (!out_.empty()) events |= POLLOUT;
  if (may_send && !eof_sent_ && peer_window_ > 0) events |= POLLIN;
  return static_cast<short>(events);
}

void JumpChannel::ready(short revents) {
  if (revents & POLLOUT) write_out();
  if (revents & (POLLIN | POLLHUP | POLLERR)) read_in();
  end_if_done();
}

void JumpChannel::write_out() {
  while (!out_.empty()) {
    const ssize_t sent = ::send(socket_.get(), out_.data(), out_.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && errno == EAGAIN) break;
    // Nobody takes it any more; that it is over shows when reading.
    const std::size_t gone = sent < 0 ? out_.size() : static_cast<std::size_t>(sent);
    out_.erase(0, gone);
    consumed_ += static_cast<std::uint32_t>(gone);
  }
  if (consumed_ >= kWindow / 2 && !close_sent_) {
    auth::Writer message;
    message.byte(message::kWindowAdjust).uint32(peer_).uint32(consumed_);
    client_.send(message.bytes());
    window_ += std::exchange(consumed_, 0);
  }
  if (out_.empty() && eof_received_ && !eof_passed_) {
    eof_passed_ = true;
    ::shutdown(socket_.get(), SHUT_WR);
  }
}

void JumpChannel::read_in() {
  std::array<char, kPacket> bytes;
  const std::size_t most = std::min<std::size_t>({bytes.size(), peer_window_, peer_packet_});
  if (eof_sent_ || most == 0) return;
  const ssize_t got = ::recv(socket_.get(), bytes.data(), most, 0);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0) {
    eof_sent_ = true;
    send(message::kEof);
    if (got < 0) eof_passed_ = true, out_.clear();  // reset: nothing more goes there either
    return;
  }
  peer_window_ -= static_cast<std::uint32_t>(got);
  bytes_to_client += static_cast<std::uint64_t>(got);
  auth::Writer message;
  message.byte(message::kData).uint32(peer_).string({bytes.data(), static_cast<std::size_t>(got)});
  client_.send(message.bytes());
}

void JumpChannel::end_if_done() {
  if (!eof_sent_ || !eof_passed_ || close_sent_) return;
  close_sent_ = true;
  send(message::kClose);
}

}  // namespace envgate::ssh::session
