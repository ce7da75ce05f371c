#include "base/log.hpp"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <ctime>
#include <mutex>

namespace envgate::log {
namespace {

constexpr std::string_view kNames[] = {"debug", "info", "warn", "error"};

struct State {
  std::mutex mutex;  // guards destination and the swap of logger
  std::string destination;
  std::shared_ptr<spdlog::logger> logger;
  std::atomic<Level> level{Level::info};
};

std::shared_ptr<spdlog::logger> make_logger(const std::string& destination) {
  spdlog::sink_ptr sink;
  if (destination.empty() || destination == "-") sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
  else sink = std::make_shared<spdlog::sinks::basic_file_sink_mt>(destination, /*truncate=*/false);
  auto logger = std::make_shared<spdlog::logger>("envgate", std::move(sink));
  logger->set_formatter(
      std::make_unique<spdlog::pattern_formatter>("%v", spdlog::pattern_time_type::utc, ""));
  logger->set_level(spdlog::level::trace);  // `enabled` decides, before a line is built
  logger->flush_on(spdlog::level::trace);
  return logger;
}

State& state() {
  static State* const instance = [] {  // leaked: threads may log until the process ends
    auto* made = new State;
    made->logger = make_logger("-");
    return made;
  }();
  return *instance;
}

std::shared_ptr<spdlog::logger> logger() {
  State& s = state();
  const std::lock_guard lock(s.mutex);
  return s.logger;
}

}  // namespace

Result<Level> parse_level(std::string_view text) {
  for (std::size_t i = 0; i < std::size(kNames); ++i)
    if (kNames[i] == text) return static_cast<Level>(i);
  return fail("'" + std::string(text) + "' is not a log level: debug, info, warn or error");
}

Result<void> open(const std::string& destination) {
  try {
    auto made = make_logger(destination);
    State& s = state();
    const std::lock_guard lock(s.mutex);
    s.destination = destination;
    s.logger = std::move(made);
    return {};
  } catch (const spdlog::spdlog_ex& problem) {
    return fail("cannot open the log '" + destination + "': " + problem.what());
  }
}

Result<void> reopen() {
  std::string destination;
  {
    State& s = state();
    const std::lock_guard lock(s.mutex);
    destination = s.destination;
  }
  return open(destination);
}

void set_level(Level level) { state().level.store(level, std::memory_order_relaxed); }
bool enabled(Level level) { return level >= state().level.load(std::memory_order_relaxed); }
void flush() { logger()->flush(); }

void append_timestamp(std::string& out) {
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  thread_local time_t cached_second = -1;
  thread_local char cached[32];
  if (now.tv_sec != cached_second) {
    tm parts;
    gmtime_r(&now.tv_sec, &parts);
    std::strftime(cached, sizeof(cached), "%Y-%m-%dT%H:%M:%S.", &parts);
    cached_second = now.tv_sec;
  }
  const long millis = now.tv_nsec / 1'000'000;
  out += cached;
  out += static_cast<char>('0' + millis / 100);
  out += static_cast<char>('0' + millis / 10 % 10);
  out += static_cast<char>('0' + millis % 10);
  out += 'Z';
}

void write_lines(std::string_view lines) {
  if (!lines.empty()) logger()->log(spdlog::level::info, spdlog::string_view_t(lines.data(), lines.size()));
}

Line::Line(Level level, std::string_view event) : enabled_(log::enabled(level)), json_(text_) {
  if (!enabled_) return;
  std::string timestamp;
  append_timestamp(timestamp);
  json_.text("timestamp", timestamp)
      .text("level", kNames[static_cast<std::size_t>(level)])
      .text("event", event);
}

Line::~Line() {
  if (!enabled_) return;
  json_.end();
  text_ += '\n';
  write_lines(text_);
}

Line& Line::text(std::string_view key, std::string_view value) {
  if (enabled_) json_.text(key, value);
  return *this;
}
Line& Line::number(std::string_view key, std::int64_t value) {
  if (enabled_) json_.number(key, value);
  return *this;
}
Line& Line::seconds(std::string_view key, std::chrono::nanoseconds value) {
  if (enabled_) json_.seconds(key, value);
  return *this;
}
Line& Line::boolean(std::string_view key, bool value) {
  if (enabled_) json_.boolean(key, value);
  return *this;
}

}  // namespace envgate::log
