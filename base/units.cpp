#include "base/units.hpp"

#include <charconv>
#include <limits>
#include <optional>

namespace envgate {
namespace {

struct Unit {
  std::string_view name;
  std::uint64_t size;
};

constexpr Unit kTimeUnits[] = {{"d", 86'400'000}, {"h", 3'600'000}, {"m", 60'000}, {"s", 1'000}, {"ms", 1}};
constexpr std::uint64_t kMaxMilliseconds = 10'000ull * 86'400'000;

constexpr Unit kByteUnits[] = {{"", 1},
                               {"B", 1},
                               {"KiB", 1ull << 10},
                               {"MiB", 1ull << 20},
                               {"GiB", 1ull << 30},
                               {"TiB", 1ull << 40},
                               {"kB", 1'000},
                               {"MB", 1'000'000},
                               {"GB", 1'000'000'000},
                               {"TB", 1'000'000'000'000}};

// Takes the digits at the front of `text` away.
std::optional<std::uint64_t> take_number(std::string_view& text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc()) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return value;
}

Failure bad_duration(std::string_view text) {
  return fail("'" + std::string(text) +
              "' is not a duration: write a whole number and a unit (ms, s, m, h, d), such as "
              "500ms, 10s or 1h30m");
}

std::optional<std::uint16_t> whole_port(std::string_view text) {
  const auto value = take_number(text);
  if (!value || !text.empty() || *value == 0 || *value > 65535) return std::nullopt;
  return static_cast<std::uint16_t>(*value);
}

}  // namespace

Result<Duration> parse_duration(std::string_view text) {
  if (text == "0") return Duration(0);
  std::string_view rest = text;
  std::uint64_t total = 0;
  std::size_t next_unit = 0;  // units only get smaller: "1h30m", never "30m1h" or "1m1m"
  do {
    const auto number = take_number(rest);
    const std::string_view name = rest.substr(0, std::min(rest.find_first_of("0123456789"), rest.size()));
    std::size_t unit = next_unit;
    while (unit < std::size(kTimeUnits) && kTimeUnits[unit].name != name) ++unit;
    if (!number || unit == std::size(kTimeUnits)) return bad_duration(text);
    if (*number > (kMaxMilliseconds - total) / kTimeUnits[unit].size)
      return fail("'" + std::string(text) + "' is more than 10000 days");
    total += *number * kTimeUnits[unit].size;
    next_unit = unit + 1;
    rest.remove_prefix(name.size());
  } while (!rest.empty());
  return Duration(static_cast<Duration::rep>(total));
}

std::string format_duration(Duration duration) {
  std::string out;
  auto left = static_cast<std::uint64_t>(duration.count());
  for (const Unit& unit : kTimeUnits) {
    if (left < unit.size) continue;
    out += std::to_string(left / unit.size);
    out += unit.name;
    left %= unit.size;
  }
  return out.empty() ? "0" : out;
}

Result<Bytes> parse_bytes(std::string_view text) {
  std::string_view rest = text;
  if (const auto number = take_number(rest)) {
    for (const Unit& unit : kByteUnits) {
      if (unit.name != rest) continue;
      if (*number > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()) / unit.size)
        return fail("'" + std::string(text) + "' is more than 8 EiB");
      return Bytes{*number * unit.size};
    }
  }
  return fail("'" + std::string(text) +
              "' is not a size: write a whole number of bytes, or one with a unit (KiB, MiB, "
              "GiB, TiB, or kB, MB, GB, TB for powers of 1000), such as 16KiB");
}

std::string format_bytes(Bytes bytes) {
  std::string_view name;
  std::uint64_t size = 1;
  for (const Unit& unit : kByteUnits)
    if (unit.name.ends_with("iB") && bytes.count > 0 && bytes.count % unit.size == 0)
      name = unit.name, size = unit.size;
  return std::to_string(bytes.count / size) + std::string(name);
}

Result<PortRange> parse_port_range(std::string_view text) {
  const auto dash = text.find('-');
  const auto first = whole_port(text.substr(0, dash));
  const auto last = dash == std::string_view::npos ? first : whole_port(text.substr(dash + 1));
  if (!first || !last)
    return fail("'" + std::string(text) + "' is not a range of ports (1 to 65535), such as 50000-59999");
  if (*first > *last)
    return fail("'" + std::string(text) + "' is the wrong way round: the lower port comes first");
  return PortRange{*first, *last};
}

std::string format_port_range(PortRange range) {
  if (range.first == range.last) return std::to_string(range.first);
  return std::to_string(range.first) + "-" + std::to_string(range.last);
}

}  // namespace envgate
