#include "routing/control/source.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/check.hpp"
#include "base/log.hpp"
#include "base/metrics.hpp"

namespace envgate::routing::control {
namespace {

constexpr std::string_view kRequest = "GET /api/routes?watch=1 HTTP/1.0\r\nHost: control\r\n\r\n";
constexpr std::size_t kReadSize = 65536;
constexpr int kReadsPerTurn = 16;  // then the other descriptors and the timers have their turn
constexpr std::size_t kMostAsked = 65536;

metrics::Counter& events(const char* event) {
  return metrics::counter("envgate_route_feed_events_total", "What the control plane's feed has brought.",
                          {{"event", event}});
}

}  // namespace

ControlSource::ControlSource(SourceHost& host, const ControlSettings& settings)
    : host_(host), settings_(settings), backoff_(settings.retry_first, settings.retry_most) {
  CHECK(settings_.socket.size() < sizeof(sockaddr_un::sun_path));
}

ControlSource::~ControlSource() { stop(); }

void ControlSource::stop() {
  host_.loop().cancel(retry_);
  close();
}

void ControlSource::close() {
  host_.loop().cancel(silence_);
  reader_ = {};
  stage_ = Stage::away;
  if (fd_ < 0) return;
  host_.loop().unwatch(fd_);
  ::close(std::exchange(fd_, -1));
}

// A Unix socket connects at once or not at all, even without blocking (EAGAIN: its queue is full), and a
// fresh one has room for the request.
void ControlSource::connect() {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, settings_.socket.c_str(), settings_.socket.size() + 1);
  fd_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd_ < 0) return lost(fail_errno("socket", errno).value().message);
  if (::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return lost(fail_errno("connect", errno).value().message);
  const ssize_t sent = ::send(fd_, kRequest.data(), kRequest.size(), MSG_NOSIGNAL);
  if (sent < 0) return lost(fail_errno("send", errno).value().message);
  if (static_cast<std::size_t>(sent) != kRequest.size()) return lost("send: only a part of the request went");
  stage_ = Stage::waiting;
  heard_at_ = Loop::Clock::now();
  watch_silence();
  host_.loop().watch(fd_, POLLIN, [this](short) { on_ready(); });
}

void ControlSource::watch_silence() {
  // A control plane that takes long to gather its snapshot would never get to send it if it was given up; the
  // answer's head comes before it has begun to.
  const auto limit = stage_ == Stage::waiting ? settings_.answer : settings_.silence;
  silence_ = host_.loop().after(heard_at_ + limit - Loop::Clock::now(), [this, limit] {
    silence_ = 0;
    if (Loop::Clock::now() - heard_at_ < limit) return watch_silence();
    lost("silent for " + std::to_string(limit.count()) + " ms");
  });
}

void ControlSource::on_ready() {
  std::array<char, kReadSize> buffer;
  for (int i = 0; i < kReadsPerTurn; ++i) {
    const ssize_t size = ::recv(fd_, buffer.data(), buffer.size(), 0);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
    if (size < 0) return lost(fail_errno("recv", errno).value().message);
    if (size == 0) return lost(reader_.closed().message);
    heard_at_ = Loop::Clock::now();
    reader_.add({buffer.data(), static_cast<std::size_t>(size)});
    if (!take_messages()) return;
  }
}

bool ControlSource::take_messages() {
  bool any = false;
  while (true) {
    auto message = reader_.next();
    auto applied = message ? Result<void>() : Result<void>(Failure(message.error()));
    if (message && !*message) break;
    if (applied) applied = apply(**message);
    if (!applied) {
      lost(applied.error().message);
      return false;
    }
    any = true;
  }
  if (any) host_.heard();
  return true;
}

void ControlSource::lost(const std::string& error) {
  static auto& count = events("lost");
  count.add();
  close();
  host_.set_connected(false);
  const std::string told = settings_.socket + ": " + error;
  const auto delay = backoff_.next();
  // The same again and again, as while control is away, is said once.
  log::Line(told == last_error_ ? log::Level::debug : log::Level::warn, "route_feed_lost")
      .text("error", told)
      .number("retry_ms", delay.count());
  last_error_ = told;
  host_.set_state(SourceState::stale, told);
  host_.loop().cancel(retry_);
  retry_ = host_.loop().after(delay, [this] {
    retry_ = 0;
    connect();
  });
}

void ControlSource::ask(const EnvId& env) {
  if (stage_ == Stage::live) return host_.answered(env);
  if (asked_.size() < kMostAsked) asked_.insert(env);
}

void ControlSource::reload() {
  if (stage_ == Stage::waiting || stage_ == Stage::snapshot) return;  // a fresh one is on its way
  host_.loop().cancel(retry_);
  close();
  connect();
}

Result<void> ControlSource::apply(FeedMessage& message) {
  using Type = FeedMessage::Type;
  if (message.type == Type::begin) {
    begin(message);
    return {};
  }
  if (stage_ == Stage::waiting) return fail("the feed does not begin with its snapshot");
  if (message.type == Type::alive) return {};
  if (message.type == Type::end) {
    if (stage_ != Stage::snapshot) return fail("the feed ends a snapshot that it did not begin");
    finish(*message.generation);
    return {};
  }
  if (stage_ == Stage::live) {
    static auto& changes = events("change");
    changes.add();
    if (!message.generation) return fail("the feed has a change without a generation");
    if (*message.generation < generation_) {
      return fail("the feed's generation went back from " + std::to_string(generation_) + " to " +
                  std::to_string(*message.generation));
    }
    generation_ = *message.generation;
  }
  if (message.type == Type::route) {
    put(message);
  } else {
    if (stage_ == Stage::snapshot) return fail("the feed has a change within its snapshot");
    host_.book().remove(message.env);
  }
  return {};
}

void ControlSource::begin(const FeedMessage& message) {
  const bool restored = *message.generation < generation_;
  if (!whole_once_ || restored || message.install != host_.known_server()) {
    host_.set_epoch(++epoch_);
    host_.book().begin_epoch();
  } else {
    host_.book().begin_pass();
  }
  if (whole_once_ && restored && message.install == host_.known_server()) {
    log::warn("route_feed_restored")
        .number("generation", static_cast<std::int64_t>(*message.generation))
        .number("generation_before", static_cast<std::int64_t>(generation_))
        .text("remedy", "none needed: the control plane's word is taken, as after a restored backup");
  }
  install_ = message.install;
  stage_ = Stage::snapshot;
  host_.loop().cancel(silence_);
  watch_silence();
  began_ = Loop::Clock::now();
  host_.set_connected(true);
}

void ControlSource::put(FeedMessage& message) {
  RouteBook& book = host_.book();
  if (message.route) {
    book.put(std::move(*message.route));
  } else {
    book.refuse(message.env, Refusal::invalid, message.route.error().message);
  }
  if (asked_.erase(message.env) > 0) host_.answered(message.env);
}

void ControlSource::finish(std::uint64_t generation) {
  static auto& snapshots = events("snapshot");
  snapshots.add();
  RouteBook& book = host_.book();
  for (const EnvId& env : book.unseen()) book.remove(env);
  book.settle();
  host_.set_known_server(install_);
  generation_ = generation;
  whole_once_ = true;
  stage_ = Stage::live;
  backoff_.reset();
  last_error_.clear();
  const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(Loop::Clock::now() - began_);
  log::info("route_feed_read")
      .text("socket", settings_.socket)
      .number("routes", static_cast<std::int64_t>(book.seen_count()))
      .number("generation", static_cast<std::int64_t>(generation))
      .number("ms", took.count());
  host_.heard();
  host_.set_state(SourceState::live, "");
  for (const EnvId& env : std::exchange(asked_, {})) host_.answered(env);
}

}  // namespace envgate::routing::control
