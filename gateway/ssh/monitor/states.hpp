// What a session process may say, and when: everything else is a process that has been taken over, and ends.
// The states follow each other and never go back, so that each of them is once. Values; thread: any.
// Source: the manner of OpenSSH's monitor.c, mon_dispatch_proto20 and mon_dispatch_postauth20.
#pragma once

#include <array>

#include "gateway/ssh/monitor/messages.hpp"

namespace envgate::ssh::monitor {

enum class State : std::uint8_t {
  key_exchange,    // until the client's keys are exchanged
  authenticating,  // until the monitor has let the customer in
  onward,          // while the target is connected, and logged in to
  relaying,        // with a target
  jumping,         // without one: connections are passed on
};
inline constexpr std::size_t kStates = 5;

// In the order of ToMonitor's messages.
struct MaySay {
  bool handshaken, userauth, target_ready, target_failed, record, jump, pong, ended;
};
inline constexpr std::array<MaySay, kStates> kMaySay{{
    //               handshaken userauth ready  failed record jump   pong   ended
    /* key_exchange   */ {true, false, false, false, false, false, false, true},
    /* authenticating */ {false, true, false, false, false, false, false, true},
    /* onward         */ {false, false, true, true, false, false, false, true},
    /* relaying       */ {false, false, false, false, true, false, true, true},
    /* jumping        */ {false, false, false, false, false, true, true, true},
}};

constexpr bool may_say(State state, const ToMonitor& message) {
  const MaySay& row = kMaySay[static_cast<std::size_t>(state)];
  const std::array<bool, std::variant_size_v<ToMonitor>> columns{
      row.handshaken, row.userauth, row.target_ready, row.target_failed,
      row.record,     row.jump,     row.pong,         row.ended};
  return columns[message.index()];
}

// No session moves more: who claims it has been taken over. The numbers go into metrics and the log.
inline constexpr std::uint64_t kBytesMost = 1ull << 50;

inline bool is_plausible(const ToMonitor& message) {
  const auto fits = [](const auto& counts) {
    return counts.bytes_to_target <= kBytesMost && counts.bytes_to_client <= kBytesMost;
  };
  if (const auto* const pong = std::get_if<Pong>(&message)) return fits(*pong);
  if (const auto* const ended = std::get_if<Ended>(&message)) return fits(*ended);
  return true;
}

}  // namespace envgate::ssh::monitor
