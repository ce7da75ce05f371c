// The process's log: one JSON object per line, on standard error or in a file, through spdlog. Every line has
// `timestamp` (RFC 3339, UTC, milliseconds), `level` and `event`; the seed's fields come next where they
// apply.
//
//   log::warn("route_refused").environment(id).text("reason", "address not allowed");
//
// The line is written when the temporary dies. Thread: any. No secret ever goes into a field.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/json_line.hpp"
#include "base/result.hpp"

namespace envgate::log {

enum class Level : std::uint8_t { debug, info, warn, error };

Result<Level> parse_level(std::string_view text);

// "-" or empty: standard error; otherwise a file, opened for append and opened again by `reopen` (for
// logrotate).
Result<void> open(const std::string& destination);
Result<void> reopen();
void set_level(Level level);
bool enabled(Level level);
void flush();

// Appends "2026-02-02T10:30:00.123Z"; caches the part down to the second per thread.
void append_timestamp(std::string& out);

// Writes finished lines (each ended by '\n'), as they are: for callers that batch their own, such as access
// logs.
void write_lines(std::string_view lines);

class Line {
 public:
  Line(Level level, std::string_view event);
  ~Line();
  Line(const Line&) = delete;
  Line& operator=(const Line&) = delete;

  Line& environment(std::string_view id) { return text("environment_id", id); }
  Line& text(std::string_view key, std::string_view value);
  Line& number(std::string_view key, std::int64_t value);
  Line& seconds(std::string_view key, std::chrono::nanoseconds value);
  Line& boolean(std::string_view key, bool value);
  Line& error(const Error& error) { return text("error", error.message); }

 private:
  bool enabled_;
  std::string text_;
  JsonLine json_;
};

inline Line debug(std::string_view event) { return Line(Level::debug, event); }
inline Line info(std::string_view event) { return Line(Level::info, event); }
inline Line warn(std::string_view event) { return Line(Level::warn, event); }
inline Line error(std::string_view event) { return Line(Level::error, event); }

}  // namespace envgate::log
