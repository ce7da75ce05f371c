// One SSH transport: to the client, where we are the server, or to the target, where we are the client.
// libssh does it; what it must not decide (files, settings, programs) is taken from it here, and the
// algorithms are chosen here. Thread: the session's one. Owns: the libssh session, and the socket once it was
// given. Errors: what libssh says, one line, printable.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.hpp"
#include "base/result.hpp"
#include "gateway/ssh/monitor/messages.hpp"
#include "gateway/ssh/session/libssh_packets.h"

struct ssh_session_struct;
struct ssh_bind_struct;
struct ssh_event_struct;
struct ssh_key_struct;
struct packets_tap;

namespace envgate::ssh::session {

// Who is told of packets: a payload, its type byte first, good until it returns. It may send on any leg.
class PacketSink {
 public:
  virtual void packet(std::string_view payload) = 0;

 protected:
  ~PacketSink() = default;
};

class Leg {
 public:
  Leg() = default;
  ~Leg();
  Leg(const Leg&) = delete;
  Leg& operator=(const Leg&) = delete;

  bool send(std::string_view payload);
  void flush();                 // what was sent leaves now, as far as the socket takes it
  std::size_t pending() const;  // bytes that were sent and are kept, since the socket takes no more
  bool broken() const;          // closed by the peer, or by a violation of the protocol
  void read(bool on);           // whether what its peer sends is read
  // The connection protocol's packets, of types 80 to 127, go to `sink` from now on.
  bool relay_to(PacketSink& sink);
  // From here on calls do not block, and `event` drives it. Requires: leaves before the event is freed.
  bool join(ssh_event_struct* event);
  void leave();
  void disconnect(std::uint32_t reason, std::string_view text);
  std::string error() const;     // what went wrong
  std::string farewell() const;  // what the peer's SSH_MSG_DISCONNECT said; may be empty

 protected:
  bool make(const char* key_exchanges);
  bool take(std::uint8_t first, std::uint8_t last, PacketSink& sink);
  Error failure(std::string_view what) const;

  ssh_session_struct* session_ = nullptr;

 private:
  std::vector<packets_tap*> taps_;
  ssh_event_struct* event_ = nullptr;
};

class ClientLeg final : public Leg, PacketSink {
 public:
  ~ClientLeg();
  // Exchanges keys, blocking. `seed`: the host key's 32 bytes.
  Result<void> handshake(Fd socket, std::string_view seed);
  void describe(monitor::Handshaken& into) const;
  // The next packet of authentication, blocking: SSH_MSG_USERAUTH_REQUEST or _INFO_RESPONSE, its type byte
  // first. Errors: the client has gone, or speaks out of turn.
  Result<std::string> next_userauth();
  bool reply(std::string_view payload);
  // What was sent leaves, as far as the client takes it within two seconds: libssh writes at once only what
  // follows a poll. False: he has gone, or reads nothing.
  bool let_out();
  bool admit();  // SSH_MSG_USERAUTH_SUCCESS
  int fd() const { return fd_; }

 private:
  void packet(std::string_view payload) override { inbox_.emplace_back(payload); }
  Result<void> exchange_keys();
  bool serve(std::string_view service_request);

  ssh_bind_struct* bind_ = nullptr;
  ssh_event_struct* polling_ = nullptr;
  std::deque<std::string> inbox_;
  bool service_ = false;
  int fd_ = -1;
};

class TargetLeg final : public Leg {
 public:
  TargetLeg();
  ~TargetLeg();
  // The key that a certificate is made for: "ssh-ed25519 AAAA...".
  const std::string& public_key() const { return public_key_; }
  // Exchanges keys, checks the host key and logs in, blocking. What it fails with goes into `failed`.
  bool log_in(Fd socket, const monitor::Target& target, monitor::TargetFailed& failed);
  std::string identification() const;
  // Whether the key exchanges since then showed the same host key, as the first one did. Cheap: it is asked
  // for each packet.
  bool same_host_key();

 private:
  int in_turns(int again, const std::function<int()>& call);
  bool check_host_key(const monitor::Target& target, monitor::TargetFailed& failed);
  int authenticate(const monitor::Target& target);
  int by_password(const std::string& password);
  int by_key(ssh_key_struct* key);

  std::chrono::steady_clock::time_point until_;  // log_in may take
  const char* stuck_ = nullptr;                  // why it was given up
  packets_host_key kept_{};
  ssh_key_struct* key_ = nullptr;
  std::string public_key_;
};

}  // namespace envgate::ssh::session
