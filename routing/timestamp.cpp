#include "routing/timestamp.hpp"

#include <ctime>

namespace envgate::routing {
namespace {

// Reads `digits` decimal digits off the front, then `after` if that is not NUL.
bool take(std::string_view& text, std::size_t digits, char after, int& out) {
  const std::size_t size = digits + (after != '\0' ? 1 : 0);
  if (text.size() < size || (after != '\0' && text[digits] != after)) return false;
  out = 0;
  for (std::size_t i = 0; i < digits; ++i) {
    if (text[i] < '0' || text[i] > '9') return false;
    out = out * 10 + (text[i] - '0');
  }
  text.remove_prefix(size);
  return true;
}

std::optional<int> offset_seconds(std::string_view text) {  // "Z", "+08:00"
  if (text == "Z" || text == "z") return 0;
  if (text.empty() || (text[0] != '+' && text[0] != '-')) return std::nullopt;
  const int sign = text[0] == '-' ? -1 : 1;
  text.remove_prefix(1);
  int hours = 0, minutes = 0;
  if (!take(text, 2, ':', hours) || !take(text, 2, '\0', minutes) || !text.empty()) return std::nullopt;
  if (hours > 23 || minutes > 59) return std::nullopt;
  return sign * (hours * 3600 + minutes * 60);
}

}  // namespace

std::optional<std::int64_t> parse_timestamp(std::string_view text) {
  std::tm when{};
  if (!take(text, 4, '-', when.tm_year) || !take(text, 2, '-', when.tm_mon) ||
      !take(text, 2, '\0', when.tm_mday)) {
    return std::nullopt;
  }
  if (text.empty() || (text[0] != 'T' && text[0] != 't' && text[0] != ' ')) return std::nullopt;
  text.remove_prefix(1);
  if (!take(text, 2, ':', when.tm_hour) || !take(text, 2, ':', when.tm_min) ||
      !take(text, 2, '\0', when.tm_sec)) {
    return std::nullopt;
  }
  if (!text.empty() && text[0] == '.') {
    text.remove_prefix(1);
    while (!text.empty() && text[0] >= '0' && text[0] <= '9') text.remove_prefix(1);
  }
  const auto offset = offset_seconds(text);
  if (!offset || when.tm_mon < 1 || when.tm_mon > 12 || when.tm_mday < 1 || when.tm_mday > 31 ||
      when.tm_hour > 23 || when.tm_min > 59 || when.tm_sec > 60) {
    return std::nullopt;
  }
  when.tm_year -= 1900;
  when.tm_mon -= 1;
  const std::int64_t seconds = std::int64_t{::timegm(&when)} - *offset;
  if (seconds < 0) return std::nullopt;
  return seconds;
}

std::string format_timestamp(std::int64_t seconds_since_1970) {
  const std::time_t time = seconds_since_1970;
  std::tm when{};
  ::gmtime_r(&time, &when);
  char text[40];
  const std::size_t size = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &when);
  return {text, size};
}

}  // namespace envgate::routing
