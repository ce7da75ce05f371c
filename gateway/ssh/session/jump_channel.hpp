// One direct-tcpip channel of a jump session, between the client's window and a socket (RFC 4254 section 5).
// It keeps no more than the window that it gave. Thread: the session's one. Owns: the socket.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/fd.hpp"
#include "gateway/ssh/session/leg.hpp"

namespace envgate::ssh::session {

class JumpChannel {
 public:
  static constexpr std::uint32_t kWindow = 1 << 20, kPacket = 32 * 1024;

  // `id`: ours; `peer`, `window`, `packet`: the client's, of its SSH_MSG_CHANNEL_OPEN.
  JumpChannel(Leg& client, std::uint32_t id, std::uint32_t peer, std::uint32_t window, std::uint32_t packet);

  void opened(Fd socket);  // the monitor's answer
  void refused(std::string_view text);

  // Of the client. False: against the protocol.
  bool data(std::string_view bytes);
  bool adjust(std::uint32_t more);
  bool eof();
  bool close();

  // What poll(2) is asked for, and what came of it. `may_send`: the client's leg keeps up.
  short events(bool may_send) const;
  void ready(short revents);

  // The socket stays open, off the event loop, until this is destroyed: its number is not another's
  // meanwhile.
  int fd() const { return socket_.get(); }
  bool waits() const { return waiting_; }
  bool finished() const { return close_sent_ && close_received_; }

  std::uint64_t bytes_to_target = 0, bytes_to_client = 0;
  short registered = 0;  // what the event loop has been told

 private:
  void send(std::uint8_t type);
  void write_out();
  void read_in();
  void end_if_done();

  Leg& client_;
  const std::uint32_t id_, peer_, peer_packet_;
  std::uint32_t peer_window_;
  std::uint32_t window_ = kWindow;  // what the client may still send
  std::uint32_t consumed_ = 0;      // since the last adjustment
  Fd socket_;
  std::string out_;  // for the socket
  bool waiting_ = true;
  bool eof_received_ = false, eof_passed_ = false, eof_sent_ = false, close_sent_ = false,
       close_received_ = false;
};

}  // namespace envgate::ssh::session
