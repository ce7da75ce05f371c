// Durations, byte counts and port ranges as operators write them: "500ms", "10s", "16KiB", "50000-59999".
// Strict, so that a slip is an error and never a surprise; each `format_` gives the shortest text that
// `parse_` reads back. Values only; usable on any thread.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace envgate {

using Duration = std::chrono::milliseconds;

// A whole number with its unit (ms, s, m, h, d), several of them from large to small ("1h30m"), or a bare
// "0". Errors: no unit, an unknown one, a fraction, more than 10,000 days.
Result<Duration> parse_duration(std::string_view text);
std::string format_duration(Duration duration);

struct Bytes {
  std::uint64_t count = 0;
  auto operator<=>(const Bytes&) const = default;
};

// A whole number of bytes, alone or with a unit: B, KiB, MiB, GiB, TiB (powers of 1024), kB, MB, GB, TB (of
// 1000). Errors: K, M and G alone (they mean either), fractions, more than 8 EiB.
Result<Bytes> parse_bytes(std::string_view text);
std::string format_bytes(Bytes bytes);

struct PortRange {
  std::uint16_t first = 0;
  std::uint16_t last = 0;  // inclusive
  bool contains(std::uint16_t port) const { return port >= first && port <= last; }
  std::uint32_t size() const { return std::uint32_t{last} - first + 1; }
  auto operator<=>(const PortRange&) const = default;
};

// "50000-59999", or one port. Errors: 0, above 65535, or the wrong way round.
Result<PortRange> parse_port_range(std::string_view text);
std::string format_port_range(PortRange range);

}  // namespace envgate
