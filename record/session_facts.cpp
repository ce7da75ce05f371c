#include "record/session_facts.hpp"

#include <cstdio>
#include <ctime>

#include "base/json_line.hpp"

namespace envgate::record {

std::string timestamp_of(std::chrono::system_clock::time_point time) {
  const auto millis = std::chrono::floor<std::chrono::milliseconds>(time.time_since_epoch());
  const auto seconds = std::chrono::floor<std::chrono::seconds>(millis);
  const std::time_t whole = static_cast<std::time_t>(seconds.count());
  std::tm parts{};
  ::gmtime_r(&whole, &parts);
  char text[80];
  std::snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", parts.tm_year + 1900,
                parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec,
                static_cast<int>((millis - seconds).count()));
  return text;
}

std::string json_of(const SessionFacts& facts) {
  std::string out;
  JsonLine json(out);
  json.number("version", kFormatVersion)
      .text("session", facts.session)
      .text("environment", facts.environment)
      .text("user", facts.user)
      .text("source", facts.source)
      .text("owner", facts.owner)
      .text("target", facts.target);
  if (!facts.method.empty()) json.text("method", facts.method);
  json.text("started_at", timestamp_of(facts.started_at)).end();
  return out;
}

}  // namespace envgate::record
