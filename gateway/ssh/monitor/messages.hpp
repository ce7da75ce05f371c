// What is said between the monitor, which is in envgate, and one session process, over a socketpair of type
// SOCK_SEQPACKET: a message is a packet, and some bring a descriptor (SCM_RIGHTS). The monitor holds what the
// session says against the state that it is in (monitor.hpp): a message that has no place there, or that
// cannot be read, ends the session. Values; thread: any. Source: the manner of OpenSSH's monitor.c,
// monitor_wrap.c.
//
//   before the key exchange   M start          S handshaken
//   before authentication     S userauth *     M reply *       (the monitor answers each with one or more)
//   then, once                M target + fd    S target_ready | target_failed      (none for a jump session)
//   then, once                M admit
//   after                     S record *, jump *      M jump_answer * (+ fd)
//   at any time               M ping  S pong,  M end,  S ended
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.hpp"
#include "gateway/ssh/monitor/policy.hpp"
#include "gateway/ssh/monitor/record_event.hpp"

namespace envgate::ssh::monitor {

inline constexpr std::size_t kMessageMax = 100 * 1024;  // bytes; a userauth request with a certificate fits

// ---- monitor to session ----

struct Start {
  std::string host_key;  // the 32 bytes of an Ed25519 seed: the key of this entry alone
  bool operator==(const Start&) const = default;
};

// A packet for the client, of SSH_MSG_USERAUTH_FAILURE, _BANNER, _PK_OK or _INFO_REQUEST.
struct Reply {
  std::string payload;
  bool last = true;  // what was asked is answered; false: a banner, and more comes
  bool operator==(const Reply&) const = default;
};

enum class Credential : std::uint8_t {
  password,
  private_key,  // OpenSSH's PEM
  certificate,  // for the key that Handshaken brought: one line, "ssh-ed25519-cert-v01@openssh.com AAAA..."
};

// With a connected socket to the target.
struct Target {
  std::string user;
  Credential credential = Credential::password;
  std::string secret;
  std::vector<std::string> host_keys;  // that it may show, as "ssh-ed25519 AAAA..."; one of them, or it ends
  bool operator==(const Target&) const = default;
};

struct Admit {
  Policy policy;
  bool jump = false;  // no target: direct-tcpip alone, each asked for by Jump
  bool operator==(const Admit&) const = default;
};

struct JumpAnswer {  // with a connected socket where `text` is empty
  std::uint32_t id = 0;
  std::string text;  // why not
  bool operator==(const JumpAnswer&) const = default;
};

struct End {
  std::uint32_t reason = 11;  // RFC 4253 section 11.1; 11: by application
  std::string text;           // the client shows it
  bool operator==(const End&) const = default;
};

struct Ping {
  bool operator==(const Ping&) const = default;
};

// ---- session to monitor ----

struct Handshaken {
  std::string session_id;             // of the client's leg
  std::string client_identification;  // "SSH-2.0-OpenSSH_9.2p1 Debian-2"
  std::string key_exchange, cipher, mac;
  std::string
      public_key;  // "ssh-ed25519 AAAA...": made by this process for this session, its private part stays
  bool operator==(const Handshaken&) const = default;
};

struct Userauth {
  std::string payload;  // SSH_MSG_USERAUTH_REQUEST or _INFO_RESPONSE, as it came, type byte first
  bool operator==(const Userauth&) const = default;
};

struct TargetReady {
  std::string identification;
  bool operator==(const TargetReady&) const = default;
};

enum class TargetFailure : std::uint8_t { handshake, host_key, refused, lost };

struct TargetFailed {
  TargetFailure failure = TargetFailure::lost;
  std::string text;
  std::string host_key;  // what it showed, "SHA256:...", where that is why
  bool operator==(const TargetFailed&) const = default;
};

struct Record {
  RecordEvent event;
  bool operator==(const Record&) const = default;
};

struct Jump {
  std::uint32_t id = 0;
  std::string host;
  std::uint32_t port = 0;
  bool operator==(const Jump&) const = default;
};

struct Pong {
  std::uint64_t bytes_to_target = 0, bytes_to_client = 0;  // of channel data, so far
  bool operator==(const Pong&) const = default;
};

enum class Who : std::uint8_t { client, target, monitor };

struct Ended {
  Who who = Who::client;
  bool violation = false;  // of the protocol, by `who`
  std::string text;
  std::uint64_t bytes_to_target = 0, bytes_to_client = 0;
  bool operator==(const Ended&) const = default;
};

using ToSession = std::variant<Start, Reply, Target, Admit, JumpAnswer, End, Ping>;
using ToMonitor = std::variant<Handshaken, Userauth, TargetReady, TargetFailed, Record, Jump, Pong, Ended>;

std::string encode(const ToSession& message);
std::string encode(const ToMonitor& message);
// Errors: too long, no such message, too short, something behind it.
Result<ToSession> decode_to_session(std::string_view bytes);
Result<ToMonitor> decode_to_monitor(std::string_view bytes);

// ---- to the keeper, the warm parent of all session processes, over a socket of its own ----

struct Spawn {  // with two descriptors: the client's socket, the monitor's end
  std::uint64_t id = 0;
  bool operator==(const Spawn&) const = default;
};
struct Kill {
  std::uint64_t id = 0;
  bool operator==(const Kill&) const = default;
};
struct Gone {  // keeper to monitor: the process has ended
  std::uint64_t id = 0;
  std::int32_t status = 0;  // as waitpid(2) gives it
  std::uint64_t cpu_milliseconds = 0;
  bool operator==(const Gone&) const = default;
};
using KeeperMessage = std::variant<Spawn, Kill, Gone>;
std::string encode(const KeeperMessage& message);
Result<KeeperMessage> decode_keeper(std::string_view bytes);

}  // namespace envgate::ssh::monitor
