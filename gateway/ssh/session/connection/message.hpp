// The messages of the SSH connection protocol: their numbers, and what is common to all that look at them.
// Values; thread: any. Source: RFC 4254 section 9; RFC 4250 section 4.3 (reasons of a failed open).
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>

#include "gateway/ssh/monitor/record_event.hpp"

namespace envgate::ssh::session {

using Clock = std::chrono::steady_clock;

enum class Side : std::uint8_t { client, target };
constexpr Side other(Side side) { return side == Side::client ? Side::target : Side::client; }
constexpr std::size_t index(Side side) { return static_cast<std::size_t>(side); }
constexpr const char* name(Side side) { return side == Side::client ? "client" : "target"; }

// Where record events go, in their order.
using Sink = std::function<void(monitor::RecordEvent)>;

namespace message {
inline constexpr std::uint8_t kGlobalRequest = 80, kRequestSuccess = 81, kRequestFailure = 82;
inline constexpr std::uint8_t kOpen = 90, kOpenConfirmation = 91, kOpenFailure = 92, kWindowAdjust = 93;
inline constexpr std::uint8_t kData = 94, kExtendedData = 95, kEof = 96, kClose = 97;
inline constexpr std::uint8_t kRequest = 98, kSuccess = 99, kFailure = 100;
}  // namespace message

enum class OpenFailure : std::uint32_t {
  prohibited = 1,
  connect_failed = 2,
  unknown_type = 3,
  resource_shortage = 4
};

}  // namespace envgate::ssh::session
