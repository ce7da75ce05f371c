#include "routing/router_core.hpp"

#include <pthread.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <ctime>

#include "base/log.hpp"
#include "base/metrics.hpp"
#include "routing/control/source.hpp"
#include "routing/file_source.hpp"
#include "routing/redis/source.hpp"

namespace envgate::routing {
namespace {

constexpr std::chrono::milliseconds kTick{250};
constexpr std::uint64_t kTicksPerTouch = 120;      // the snapshot's time, every 30 s
constexpr std::uint64_t kTicksPerAddresses = 120;  // this machine's own addresses, every 30 s
constexpr std::size_t kMostMailed = 65536;

std::int64_t nanoseconds(Loop::Time time) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
}

// For the metric, which outlives every Router.
std::atomic<std::int64_t> heard_for_metric{0};

void register_metrics() {
  metrics::gauge_function("envgate_route_age_seconds", "Time since the source of routes was last heard.", [] {
    const std::int64_t heard = heard_for_metric.load(std::memory_order_relaxed);
    return heard == 0 ? 0.0 : static_cast<double>(nanoseconds(Loop::Clock::now()) - heard) / 1e9;
  });
}

metrics::Gauge& state_metric(SourceState state) {
  return metrics::gauge("envgate_route_source_state", "1 for the state that the source of routes is in.",
                        {{"state", to_string(state)}});
}

metrics::Counter& misses(const char* result) {
  return metrics::counter("envgate_route_misses_total", "Lookups that the table could not answer.",
                          {{"result", result}});
}

}  // namespace

std::string_view to_string(SourceState state) {
  constexpr std::string_view names[] = {"loading", "live", "stale", "down"};
  return names[static_cast<std::size_t>(state)];
}

Router::Core::Core(RoutingSettings settings)
    : settings_(std::move(settings)),
      book_(table_,
            {AllowedTargets(settings_.allowed_targets), settings_.listen_ports, settings_.reserved_ports}),
      absent_(settings_.absent_entries, settings_.absent_ttl),
      misses_(settings_.miss_deadline, settings_.miss_rate),
      own_addresses_(AllowedTargets::own_addresses()) {
  status_.source = settings_.source;
  register_metrics();
  for (const SourceState state : {SourceState::live, SourceState::stale, SourceState::down})
    state_metric(state).set(0);
  state_metric(SourceState::loading).set(1);
}

Router::Core::~Core() { stop(); }

Result<void> Router::Core::make_source() {
  if (settings_.source == SourceKind::file) {
    if (settings_.file.empty()) return fail("routes.file is not set, and routes.source is `file`");
    source_ = std::make_unique<FileSource>(*this, settings_.file);
    return {};
  }
  if (settings_.source == SourceKind::control) {
    const std::string& path = settings_.control.socket;
    if (path.empty() || path.size() >= sizeof(sockaddr_un::sun_path))
      return fail("routes.control.socket: \"" + path + "\" is not a path of 1 to 107 bytes");
    source_ = std::make_unique<control::ControlSource>(*this, settings_.control);
    return {};
  }
  auto url = redis::Url::parse(settings_.redis.url);
  if (!url) return fail("routes.redis.url: " + url.error().message);
  source_ = std::make_unique<redis::RedisSource>(*this, std::move(*url), settings_.redis);
  return {};
}

Result<void> Router::Core::start() {
  if (const auto made = make_source(); !made) return made;
  if (!settings_.snapshot.empty()) {
    load_last_good();
    snapshots_ = std::make_unique<SnapshotWriter>(settings_.snapshot);
  }
  const bool restored = table_.size() > 0;
  running_ = true;
  thread_ = std::thread([this] { run(); });
  ::pthread_setname_np(thread_.native_handle(), "envgate-routing");
  std::unique_lock lock(status_mutex_);
  loaded_.wait_for(lock, settings_.start_wait, [&] { return first_load_done_; });
  const std::string error = first_load_error_;
  lock.unlock();
  if (error.empty()) return {};
  if (restored && settings_.source == SourceKind::file) return {};  // logged; the last good routes are served
  stop();
  return fail(error);
}

void Router::Core::load_last_good() {
  auto snapshot = load_snapshot(settings_.snapshot);
  if (!snapshot) {
    if (snapshot.error().code != ENOENT) {
      log::warn("route_snapshot_ignored")
          .error(snapshot.error())
          .text("remedy", "it is written anew once routes load");
    }
    return;
  }
  server_ = snapshot->server;
  table_.reserve(snapshot->routes.size());
  for (RouteSpec& route : snapshot->routes) book_.put(std::move(route));
  const auto since = std::chrono::seconds(std::max<std::int64_t>(std::time(nullptr) - snapshot->heard_at, 0));
  last_heard_ = nanoseconds(Loop::Clock::now() - since);
  heard_for_metric = last_heard_.load();
  status_.restored = table_.size();  // before there is another thread
  log::info("route_snapshot_loaded")
      .number("routes", static_cast<std::int64_t>(table_.size()))
      .number("skipped", static_cast<std::int64_t>(snapshot->skipped))
      .number("age_seconds", since.count());
}

void Router::Core::run() {
  loop_.set_turn_end([this] { return turn_end(); });
  source_->start();
  tick();
  loop_.run();
  source_->stop();
  tell(book_.take_changes());
  loop_.close();  // lookups that were still on their way are among the waiting now
  misses_.answer_all({});
}

void Router::Core::stop() {
  if (thread_.joinable()) {
    loop_.stop();
    thread_.join();
  }
  running_ = false;
  if (!snapshots_) return;
  snapshots_.reset();  // waits for the one being written
  if (unsaved_ && was_live_) {
    const auto saved = save_snapshot(settings_.snapshot,
                                     format_snapshot(book_.declared_routes(), server_, std::time(nullptr)));
    if (!saved) log::error("route_snapshot_failed").error(saved.error());
  }
}

std::chrono::milliseconds Router::Core::turn_end() {
  source_->flush();
  tell(book_.take_changes());
  count_routes();
  std::chrono::milliseconds wait{1000};
  const Loop::Time now = Loop::Clock::now();
  if (const Loop::Time next = misses_.expire(now); next - now < wait) {
    wait = std::chrono::ceil<std::chrono::milliseconds>(next - now);
  }
  // Readers are to pass a quiescent state soon; one that sleeps is not worth waking up for often.
  idle_turns_ = table_.reclaim() == 0 ? 0 : std::min(idle_turns_ + 1, 5);
  return idle_turns_ == 0 ? wait : std::min(wait, std::chrono::milliseconds(4 << idle_turns_));
}

void Router::Core::count_routes() {
  const std::lock_guard lock(status_mutex_);
  status_.refused.clear();
  for (std::size_t i = 0; i < kRefusals; ++i) {
    const std::size_t count = book_.refused()[i];
    if (count > 0) status_.refused.emplace(to_string(static_cast<Refusal>(i)), count);
  }
}

void Router::Core::tell(std::vector<RouteChange> changes) {
  static auto& routes = metrics::gauge("envgate_routes", "Routes in the table.");
  static auto& changed =
      metrics::counter("envgate_route_changes_total", "Routes that came, changed or went.");
  if (changes.empty()) return;
  unsaved_ = true;
  routes.set(static_cast<std::int64_t>(table_.size()));
  changed.add(changes.size());
  for (const RouteChange& change : changes) {
    if (change.after) absent_.erase(change.id);
  }
  for (const Changed& subscriber : subscribers_) subscriber(changes);
}

void Router::Core::tick() {
  loop_.after(kTick, [this] { tick(); });
  ++ticks_;
  const SourceState state = status_.state;  // written on this thread alone
  if (state == SourceState::live && source_->expires() == false) heard();
  const bool expired = state != SourceState::live && source_->expires() && settings_.max_stale.count() > 0 &&
                       last_heard_ != 0 && age() > settings_.max_stale;
  if (expired && table_.serving()) {
    table_.set_serving(false);
    set_state(SourceState::down, status_.last_error);
    log::error("routes_expired")
        .number("max_stale_seconds", settings_.max_stale.count())
        .text("remedy", "bring the source of routes back; no route is served until then");
  }
  if (ticks_ % kTicksPerAddresses == 0) {
    auto own = AllowedTargets::own_addresses();
    if (own != own_addresses_) {
      own_addresses_ = std::move(own);
      book_.set_policy(policy());
    }
  }
  keep_snapshot(ticks_ % kTicksPerTouch == 0);
}

void Router::Core::keep_snapshot(bool touch) {
  if (!snapshots_ || !was_live_) return;
  const Loop::Time now = Loop::Clock::now();
  // A very large table that changes all the time shall not keep a core and a disk busy with this alone.
  const auto interval = std::max(settings_.snapshot_interval, 20 * snapshots_->cost());
  if (unsaved_ && now - saved_at_ >= interval) {
    if (snapshots_->submit(book_.declared_routes(), server_)) {
      unsaved_ = false;
      saved_at_ = now;
    }
  } else if (touch && status_.state == SourceState::live) {
    touch_snapshot(settings_.snapshot);
  }
}

bool Router::Core::resolve(const EnvId& env, Resolved resolved) {
  if (!running_ || mailed_.fetch_add(1) >= kMostMailed) {
    if (running_) mailed_.fetch_sub(1);
    return false;
  }
  return loop_.post([this, env, resolved = std::move(resolved)]() mutable {
    mailed_.fetch_sub(1);
    look_up(env, resolved);
  });
}

void Router::Core::look_up(const EnvId& env, Resolved& resolved) {
  static auto& hit = misses("found_meanwhile");
  static auto& cached = misses("absent_cached");
  static auto& asked = misses("asked");
  static auto& joined = misses("joined");
  static auto& limited = misses("limited");
  const Route* route = table_.serving() ? table_.find(env) : nullptr;
  if (route) {
    hit.add();
    return resolved({Resolution::Outcome::found, RoutePtr(route)});
  }
  if (absent_.contains(env)) {
    cached.add();
    return resolved({Resolution::Outcome::absent, {}});
  }
  switch (misses_.add(env, resolved, Loop::Clock::now())) {
    case Misses::Ask::yes:
      asked.add();
      return source_->ask(env);
    case Misses::Ask::waiting:
      return joined.add();
    case Misses::Ask::no:
      limited.add();
      // While live, the table has every route but those of the last few milliseconds.
      const bool live = status_.state == SourceState::live;
      return resolved({live ? Resolution::Outcome::absent : Resolution::Outcome::unavailable, {}});
  }
}

void Router::Core::answered(const EnvId& env) {
  if (!table_.serving()) return misses_.answer(env, {});
  const Route* route = table_.find(env);
  if (route) return misses_.answer(env, {Resolution::Outcome::found, RoutePtr(route)});
  absent_.insert(env);  // or refused, which is the same to a client; a route that comes takes this back
  misses_.answer(env, {Resolution::Outcome::absent, {}});
}

void Router::Core::set_known_server(const std::string& server) {
  if (server_ == server) return;
  server_ = server;
  unsaved_ = true;
}

void Router::Core::heard() {
  last_heard_.store(nanoseconds(Loop::Clock::now()), std::memory_order_relaxed);
  heard_for_metric.store(last_heard_, std::memory_order_relaxed);
}

void Router::Core::set_state(SourceState state, const std::string& error) {
  if (state == SourceState::stale && !was_live_ && table_.size() == 0) state = SourceState::loading;
  if (state != SourceState::live && !table_.serving()) state = SourceState::down;
  if (state == SourceState::live) {
    was_live_ = true;
    table_.set_serving(true);
    tell(book_.take_changes());  // whoever sees `live` has been told of everything
    count_routes();
  }
  const SourceState before = status_.state;
  {
    const std::lock_guard lock(status_mutex_);
    status_.state = state;
    status_.last_error = error;
  }
  if (before != state) {
    state_metric(before).set(0);
    state_metric(state).set(1);
    log::Line line(state == SourceState::live ? log::Level::info : log::Level::warn, "route_source_state");
    line.text("status", to_string(state)).number("routes", static_cast<std::int64_t>(table_.size()));
    if (!error.empty()) line.text("error", error);
  }
  // With the last good routes in place there is nothing to wait for once the source is known to be away.
  if (state == SourceState::live || (state == SourceState::stale && table_.size() > 0)) first_load_done("");
}

void Router::Core::fatal(const std::string& error) { first_load_done(error); }

void Router::Core::first_load_done(const std::string& error) {
  if (first_load_done_) return;  // written on this thread alone
  tell(book_.take_changes());    // so that start() returns to a table whose listeners are known
  count_routes();
  {
    const std::lock_guard lock(status_mutex_);
    first_load_done_ = true;
    first_load_error_ = error;
  }
  loaded_.notify_all();
}

void Router::Core::set_connected(bool connected) {
  static auto& metric =
      metrics::gauge("envgate_route_source_connected", "Whether the source of routes is connected.");
  metric.set(connected);
  const std::lock_guard lock(status_mutex_);
  status_.connected = connected;
}

void Router::Core::set_epoch(std::uint64_t epoch) {
  const std::lock_guard lock(status_mutex_);
  status_.epoch = epoch;
}

std::chrono::nanoseconds Router::Core::age() const {
  const std::int64_t heard = last_heard_.load(std::memory_order_relaxed);
  if (heard == 0) return std::chrono::seconds(std::time(nullptr));
  return std::chrono::nanoseconds(nanoseconds(Loop::Clock::now()) - heard);
}

RoutePolicy Router::Core::policy() const {
  return {AllowedTargets(settings_.allowed_targets, own_addresses_), settings_.listen_ports,
          settings_.reserved_ports};
}

void Router::Core::reload(const RoutingSettings& settings) {
  loop_.post([this, settings] {
    settings_.allowed_targets = settings.allowed_targets;
    settings_.max_stale = settings.max_stale;
    settings_.listen_ports = settings.listen_ports;
    settings_.reserved_ports = settings.reserved_ports;
    own_addresses_ = AllowedTargets::own_addresses();
    book_.set_policy(policy());
    source_->reload();
  });
}

}  // namespace envgate::routing
