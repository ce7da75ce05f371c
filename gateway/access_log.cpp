#include "gateway/access_log.hpp"

#include "base/log.hpp"

namespace envgate::gateway {

AccessLog::Line::~Line() {
  json_.end();
  log_.lines_ += '\n';
  if (log_.lines_.size() >= kMost) log_.flush();
  else if (!log_.armed()) log_.reactor_.timers().arm(log_, log_.reactor_.now() + kDelay);
}

bool AccessLog::enabled() { return log::enabled(log::Level::info); }

AccessLog::Line AccessLog::line(std::string_view event, std::string_view environment,
                                const routing::Route* route, std::string_view source,
                                std::string_view status, std::string_view username) {
  return Line(*this, event, environment, route, source, username, status);
}

AccessLog::Line::Line(AccessLog& log, std::string_view event, std::string_view environment,
                      const routing::Route* route, std::string_view source, std::string_view username,
                      std::string_view status)
    : log_(log), json_(log.lines_) {
  thread_local std::string timestamp;
  timestamp.clear();
  envgate::log::append_timestamp(timestamp);
  json_.text("timestamp", timestamp)
      .text("level", "info")
      .text("event", event)
      .text("environment_id", environment)
      .text("type", route ? routing::to_string(route->kind) : "")
      .text("source_ip", source)
      .text("username", username)
      .text("status", status);
}

void AccessLog::flush() {
  log::write_lines(lines_);
  lines_.clear();
}

}  // namespace envgate::gateway
