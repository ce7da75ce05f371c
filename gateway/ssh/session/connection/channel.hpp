// One channel of a session: what each of its ends said of itself, what is asked and not answered, and what
// the record is told of it. Thread: the session's. Owns: its record.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>

#include "gateway/ssh/session/connection/channel_record.hpp"
#include "gateway/ssh/session/connection/message.hpp"

namespace envgate::ssh::session {

// A listening socket at the target that the client asked for.
struct Forward {
  bool local_socket = false;
  std::string address;  // or the socket's path
  std::uint32_t port = 0;
  bool operator==(const Forward&) const = default;
};

// One end of a channel.
struct ChannelEnd {
  std::uint32_t number = 0;          // the end's own
  std::uint64_t window = 0;          // bytes that it still takes
  std::uint32_t packet_max = 0;      // bytes that it takes in one message
  bool eof = false, closed = false;  // sent by it
};

struct Opening {
  std::string_view type;
  ChannelEnd opener;
  std::string destination;  // of a forward
};

struct ChannelAsked {
  enum class For : std::uint8_t { other, pty, program, x11, agent };
  bool answered_here = false;
  For what = For::other;
};

struct Channel {
  enum class State : std::uint8_t { opening, open };

  ChannelEnd& end(Side side) { return ends[index(side)]; }

  std::uint32_t number = 0;  // the session's own, for the record
  Side opener = Side::client;
  State state = State::opening;
  bool is_session = false;
  std::array<ChannelEnd, 2> ends;
  std::array<std::deque<ChannelAsked>, 2> asked;  // by who asked
  std::array<std::uint64_t, 2> bytes_to{};
  // Of a forward.
  std::string kind, destination;
  Clock::time_point opened;
  // Of a session.
  std::optional<ChannelRecord> record;
};

}  // namespace envgate::ssh::session
