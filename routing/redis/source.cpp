#include "routing/redis/source.hpp"

#include <hiredis/hiredis.h>

#include "base/log.hpp"
#include "base/metrics.hpp"
#include "routing/route_json.hpp"

namespace envgate::routing::redis {
namespace {

constexpr std::size_t kMostAsked = 65536;

metrics::Counter& events(const char* event) {
  return metrics::counter("envgate_redis_events_total", "What the session with Redis has seen.",
                          {{"event", event}});
}

}  // namespace

RedisSource::RedisSource(SourceHost& host, Url url, const RedisSettings& settings)
    : host_(host),
      url_(std::move(url)),
      settings_(settings),
      link_(
          host.loop(), url_, settings_,
          {[this](const ServerInfo& info) { on_ready(info); },
           [this](std::span<const std::string_view> keys) { on_invalidated(keys); }, [this] { on_flushed(); },
           [this] { host_.heard(); }, [this](const std::string& error) { on_lost(error); }}),
      reads_(link_, [this](const EnvId& env, const EnvValues& values) { apply(env, values); }),
      backoff_(settings.retry_first, settings.retry_most) {}

void RedisSource::stop() {
  for (Loop::TimerId* timer : {&retry_, &resync_, &refill_}) host_.loop().cancel(*timer);
  link_.stop();
  reads_.clear();
}

void RedisSource::on_ready(const ServerInfo& info) {
  events("connected").add();
  log::debug("redis_connected").text("url", url_.shown()).text("version", info.version);
  if (!eviction_is_fine(info)) return;
  host_.set_connected(true);
  run_id_ = info.run_id;
  new_server_ = run_id_.empty() || run_id_ != host_.known_server();
  refill_waited_ = flushed_meanwhile_ = false;
  host_.set_epoch(++epoch_);
  host_.book().begin_epoch();
  begin_pass();
  for (const EnvId& env : asked_) reads_.urgent(env);
}

bool RedisSource::eviction_is_fine(const ServerInfo& info) {
  static auto& risk =
      metrics::gauge("envgate_redis_may_evict_routes",
                     "1 if Redis's maxmemory-policy lets it drop routes when memory is short.");
  const bool evicts = info.maxmemory_policy.starts_with("allkeys-");
  risk.set(evicts);
  if (!evicts) return true;
  const std::string problem =
      url_.shown() + ": maxmemory-policy is " + info.maxmemory_policy +
      ", so Redis may drop routes when memory is short; set it to noeviction (CONFIG SET "
      "maxmemory-policy noeviction, and in redis.conf)";
  if (!settings_.require_noeviction) {
    log::warn("redis_may_evict_routes").text("error", problem);
    return true;
  }
  log::error("redis_may_evict_routes").text("error", problem);
  host_.fatal(problem);
  link_.give_up(problem);
  return false;
}

void RedisSource::on_lost(const std::string& error) {
  events("lost").add();
  host_.set_connected(false);
  host_.loop().cancel(resync_);
  host_.loop().cancel(refill_);
  reads_.clear();
  stage_ = Stage::idle;
  scan_in_flight_ = false;
  to_confirm_.clear();
  host_.set_state(SourceState::stale, error);
  const auto delay = backoff_.next();
  log::debug("redis_lost").text("error", error).number("retry_ms", delay.count());
  host_.loop().cancel(retry_);
  retry_ = host_.loop().after(delay, [this] {
    retry_ = 0;
    link_.start();
  });
}

void RedisSource::on_invalidated(std::span<const std::string_view> keys) {
  events("invalidation").add();
  if (!link_.ready()) return;  // the pass that is about to begin reads everything
  for (const std::string_view key : keys) {
    if (const auto parsed = parse_key(key)) reads_.changed(parsed->env);
  }
}

void RedisSource::on_flushed() {
  events("flush").add();
  if (!link_.ready()) return;
  log::warn("redis_flushed")
      .text("url", url_.shown())
      .text("remedy", "routes go once Redis confirms that they are gone");
  reads_.all_changed();
  if (stage_ == Stage::waiting) return;  // it had lost its data before; the grace is for just that
  new_server_ = false;                   // this server's own word
  if (stage_ == Stage::scanning || stage_ == Stage::confirming) {
    // Finish first: else a server that is flushed all the time would never be read.
    flushed_meanwhile_ = true;
  } else {
    begin_flushed_pass();
  }
}

void RedisSource::begin_flushed_pass() {
  flushed_meanwhile_ = false;
  host_.set_epoch(++epoch_);
  host_.book().begin_epoch();
  begin_pass();
}

void RedisSource::ask(const EnvId& env) {
  if (asked_.size() < kMostAsked) asked_.insert(env);
  if (link_.ready()) reads_.urgent(env);
}

void RedisSource::reload() {
  if (!link_.ready() || stage_ != Stage::idle) return;
  host_.book().begin_pass();
  begin_pass();
}

void RedisSource::apply(const EnvId& env, const EnvValues& values) {
  RouteBook& book = host_.book();
  asked_.erase(env);
  if (!values.route && !values.ip) {
    book.remove(env);
    return host_.answered(env);
  }
  auto route = values.route
                   ? parse_route_json(env, *values.route)
                   : from_seed_keys(env, {values.ip, values.ssh_port, values.type, values.access_info});
  if (route) {
    book.put(std::move(*route));
  } else {
    book.refuse(
        env, Refusal::invalid,
        (values.route ? "env:" + env.str() + ":route: " : "env:" + env.str() + ":") + route.error().message);
  }
  host_.answered(env);
}

// The book has begun its own pass already.
void RedisSource::begin_pass() {
  host_.loop().cancel(resync_);
  host_.loop().cancel(refill_);
  reads_.drop_bulk();
  to_confirm_.clear();
  ++pass_;
  cursor_ = "0";
  scan_in_flight_ = false;
  stage_ = Stage::scanning;
  pass_began_ = Loop::Clock::now();
}

void RedisSource::scan() {
  scan_in_flight_ = true;
  // The pattern lets only `ip` and `route` keys through (and what else begins like them, dropped by
  // parse_key): a third of the bytes. 2,500 keys looked at are about a millisecond of the server's time.
  const std::string_view command[] = {"SCAN", cursor_, "MATCH", "env:*:[ir]*", "COUNT", "2500"};
  link_.request(command, [this, pass = pass_](const redisReply& reply) { on_scanned(pass, reply); });
}

void RedisSource::on_scanned(std::uint64_t pass, const redisReply& reply) {
  if (pass != pass_) return;
  if (reply.type != REDIS_REPLY_ARRAY || reply.elements != 2 || !reply.element[0]->str) {
    return link_.give_up(url_.shown() + ": SCAN: " +
                         (reply.str ? std::string(reply.str, reply.len) : "a reply of another shape"));
  }
  scan_in_flight_ = false;
  cursor_.assign(reply.element[0]->str, reply.element[0]->len);
  const redisReply& keys = *reply.element[1];
  for (std::size_t i = 0; i < keys.elements; ++i) {
    const auto key = parse_key({keys.element[i]->str, keys.element[i]->len});
    // SCAN may show a key twice, and most environments have two that locate them.
    if (key && key->locates && !host_.book().seen(key->env)) reads_.bulk(key->env);
  }
  if (cursor_ == "0") cursor_.clear();
}

void RedisSource::flush() {
  if (!link_.ready()) return;
  if (stage_ == Stage::scanning && !scan_in_flight_) {
    if (!cursor_.empty()) {
      if (!reads_.bulk_full()) scan();
    } else if (reads_.bulk_left() == 0) {
      begin_confirming();
    }
  }
  if (stage_ == Stage::confirming) {
    while (!to_confirm_.empty() && !reads_.bulk_full()) {
      reads_.bulk(to_confirm_.back());
      to_confirm_.pop_back();
    }
    if (to_confirm_.empty() && reads_.bulk_left() == 0) pass_done();
  }
  reads_.pump();
  link_.flush();
}

void RedisSource::begin_confirming() {
  to_confirm_ = host_.book().unseen();
  const std::size_t there = host_.book().seen_count(), missing = to_confirm_.size();
  if (new_server_ && !refill_waited_ && missing > there) return wait_for_refill(missing);
  stage_ = Stage::confirming;
}

void RedisSource::wait_for_refill(std::size_t missing) {
  refill_waited_ = true;
  to_confirm_.clear();
  stage_ = Stage::waiting;
  const std::string problem = url_.shown() + ": a new server, without " + std::to_string(missing) +
                              " of the known routes; they are kept for " +
                              std::to_string(settings_.empty_grace.count()) +
                              " ms, in case it is being filled again";
  log::warn("redis_lost_routes").text("error", problem);
  host_.set_state(SourceState::stale, problem);
  refill_ = host_.loop().after(settings_.empty_grace, [this] {
    refill_ = 0;
    host_.book().begin_pass();
    begin_pass();
  });
}

void RedisSource::pass_done() {
  stage_ = Stage::idle;
  new_server_ = false;
  backoff_.reset();
  host_.set_known_server(run_id_);
  host_.book().settle();
  const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(Loop::Clock::now() - pass_began_);
  log::info("redis_routes_read")
      .text("url", url_.shown())
      .number("routes", static_cast<std::int64_t>(host_.book().seen_count()))
      .number("ms", took.count());
  host_.set_state(SourceState::live, "");
  if (flushed_meanwhile_) return begin_flushed_pass();
  resync_ = host_.loop().after(settings_.resync, [this] {
    resync_ = 0;
    reload();
  });
}

}  // namespace envgate::routing::redis
