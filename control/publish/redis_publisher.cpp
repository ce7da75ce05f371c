#include "control/publish/redis_publisher.hpp"

#include <hiredis/hiredis.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <vector>

#include "base/log.hpp"
#include "base/metrics.hpp"
#include "control/lifecycle/fields.hpp"
#include "control/lifecycle/route_body.hpp"
#include "control/lifecycle/views.hpp"
#include "control/reconcile/fault_point.hpp"
#include "control/store/changes.hpp"
#include "routing/redis/url.hpp"

namespace envgate::control {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;
using store::Environment;
using store::Transaction;

constexpr seconds kTimeout{5}, kLook{1}, kRefresh{60};
constexpr milliseconds kRetryFirst{100}, kRetryMost{5000};
constexpr std::size_t kBatch = 500, kTombstoneSeconds = 3600;

// KEYS: route, ip, ssh_port, type, access_info, the install's hash, the tombstone.
// ARGV: id, generation, route, ip, ssh_port, type, access_info, the tombstone's life; an empty route deletes.
constexpr char kPut[] = R"(
local before = tonumber(redis.call('HGET', KEYS[6], ARGV[1]) or redis.call('GET', KEYS[7]) or '0')
local now = tonumber(ARGV[2])
if before > now then return 0 end
if ARGV[3] == '' then
  redis.call('DEL', KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5])
  redis.call('HDEL', KEYS[6], ARGV[1])
  redis.call('SET', KEYS[7], ARGV[2], 'EX', ARGV[8])
  return 1
end
redis.call('SET', KEYS[1], ARGV[3])
for i = 2, 5 do
  if ARGV[i + 2] == '' then redis.call('DEL', KEYS[i]) else redis.call('SET', KEYS[i], ARGV[i + 2]) end
end
redis.call('HSET', KEYS[6], ARGV[1], ARGV[2])
return 1
)";

struct Keys {
  std::string id, generation, route, ip, ssh_port, type, access_info;
};

// What is written of an environment; the seed's own readers know an address, or nothing.
Keys keys_of(const Environment& e, long long generation, const ControlSettings& settings) {
  const bool verifiers = settings.control.redis.publish_verifiers;
  Keys keys{e.id, std::to_string(generation), verifiers ? e.route : without_verifiers(e.route), "", "", "",
            ""};
  if (e.route.empty()) return keys;
  const json route = json::parse(e.route, nullptr, false);
  keys.generation = std::to_string(route.value("generation", generation));
  keys.ip = route.value("address", "");
  keys.ssh_port = std::to_string(e.ssh_port);
  keys.type = type_of(e);
  json info = connection_view(e, settings);
  info["target_ip"] = keys.ip;  // the route's, which the row may be ahead of
  keys.access_info = write_json(info);
  return keys;
}

std::vector<std::string> put_command(const Keys& keys, const std::string& index) {
  const std::string at = "env:" + keys.id + ":";
  return {"EVAL",
          kPut,
          "7",
          at + "route",
          at + "ip",
          at + "ssh_port",
          at + "type",
          at + "access_info",
          index,
          index + ":gone:" + keys.id,
          keys.id,
          keys.generation,
          keys.route,
          keys.ip,
          keys.ssh_port,
          keys.type,
          keys.access_info,
          std::to_string(kTombstoneSeconds)};
}

metrics::Gauge& connected_metric() {
  return metrics::gauge("envgate_control_redis_connected",
                        "Whether the Redis that routes are written to answers.");
}

}  // namespace

// A blocking connection. Errors end the session that uses it.
class RedisPublisher::Connection {
 public:
  static Result<std::unique_ptr<Connection>> open(const routing::redis::Url& url) {
    const timeval time{kTimeout.count(), 0};
    redisContext* context = url.path.empty() ? redisConnectWithTimeout(url.host.c_str(), url.port, time)
                                             : redisConnectUnixWithTimeout(url.path.c_str(), time);
    auto made = std::unique_ptr<Connection>(new Connection(context));
    if (!context || context->err)
      return fail("Redis " + url.shown() + ": " + (context ? context->errstr : "out of memory"));
    redisSetTimeout(context, time);
    if (url.path.empty()) redisEnableKeepAlive(context);  // on a Unix socket it is an error
    if (!url.password.empty()) {
      std::vector<std::string> auth{"AUTH"};
      if (!url.user.empty()) auth.push_back(url.user);
      auth.push_back(url.password);
      if (auto in = made->ask(auth); !in) return Failure(in.error());
    }
    if (url.db != 0)
      if (auto in = made->ask({"SELECT", std::to_string(url.db)}); !in) return Failure(in.error());
    return made;
  }
  ~Connection() {
    if (context_) redisFree(context_);
  }

  struct Free {
    void operator()(redisReply* reply) const { freeReplyObject(reply); }
  };
  using Reply = std::unique_ptr<redisReply, Free>;

  Result<Reply> ask(const std::vector<std::string>& arguments) {
    add(arguments);
    return take();
  }
  void add(const std::vector<std::string>& arguments) {
    std::vector<const char*> texts;
    std::vector<std::size_t> sizes;
    for (const std::string& argument : arguments)
      texts.push_back(argument.data()), sizes.push_back(argument.size());
    redisAppendCommandArgv(context_, static_cast<int>(texts.size()), texts.data(), sizes.data());
  }
  Result<Reply> take() {
    void* reply = nullptr;
    if (redisGetReply(context_, &reply) != REDIS_OK) return fail(std::string("Redis: ") + context_->errstr);
    Reply got(static_cast<redisReply*>(reply));
    if (got->type == REDIS_REPLY_ERROR) return fail("Redis: " + std::string(got->str, got->len));
    return got;
  }

 private:
  explicit Connection(redisContext* context) : context_(context) {}
  redisContext* context_;
};

Result<void> RedisPublisher::check(const std::string& url) {
  const auto parsed = routing::redis::Url::parse(url);
  if (!parsed) return fail("control.redis.url: " + parsed.error().message);
  return {};
}

RedisPublisher::RedisPublisher(store::Database& database, const ControlSettings& settings,
                               std::string install)
    : database_(database), settings_(settings), install_(std::move(install)) {}

void RedisPublisher::start() {
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

void RedisPublisher::stop() {
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
}

void RedisPublisher::poke() {
  const std::lock_guard lock(mutex_);
  poked_ = true;
  wake_.notify_all();
}

RedisPublisher::Status RedisPublisher::status() const {
  const std::lock_guard lock(mutex_);
  return status_;
}

void RedisPublisher::note(const std::function<void(Status&)>& change) {
  const std::lock_guard lock(mutex_);
  change(status_);
}

void RedisPublisher::wait(const std::stop_token& stop, milliseconds time) {
  std::unique_lock lock(mutex_);
  wake_.wait_for(lock, stop, time, [this] { return poked_; });
  poked_ = false;
}

void RedisPublisher::run(const std::stop_token& stop) {
  const auto url = routing::redis::Url::parse(settings_.control.redis.url);
  milliseconds retry = kRetryFirst;
  std::string told;
  while (!stop.stop_requested()) {
    auto redis = Connection::open(*url);
    auto ended = redis ? session(**redis, stop) : Result<void>(Failure(redis.error()));
    connected_metric().set(0);
    if (stop.stop_requested()) return;
    const bool was_connected = status().connected;
    const std::string why = ended ? "" : ended.error().message;
    note([&](Status& status) { status.connected = false, status.error = why; });
    if (why != told || was_connected) log::warn("redis_away").text("error", why);
    told = why;
    retry = was_connected ? kRetryFirst : std::min(retry * 2, kRetryMost);
    wait(stop, retry);
  }
}

Result<void> RedisPublisher::session(Connection& redis, const std::stop_token& stop) {
  auto policy = redis.ask({"CONFIG", "GET", "maxmemory-policy"});
  const bool told = policy && (*policy)->type == REDIS_REPLY_ARRAY && (*policy)->elements == 2;
  const std::string name = told ? (*policy)->element[1]->str : "";
  if (name.starts_with("allkeys"))
    log::warn("redis_may_evict")
        .text("maxmemory_policy", name)
        .text("remedy", "CONFIG SET maxmemory-policy noeviction: it may silently drop routes");
  auto generation = rebuild(redis);
  if (!generation) return Failure(generation.error());
  connected_metric().set(1);
  note(
      [&](Status& status) { status.connected = true, status.error.clear(), status.maxmemory_policy = name; });
  log::info("redis_connected").number("generation", *generation);
  const std::string marker = "envgate:" + install_ + ":generation";
  auto refreshed = steady_clock::now();
  while (!stop.stop_requested()) {
    // A marker that is gone or is not ours any more: flushed, restored, or another server.
    const auto seen = redis.ask({"GET", marker});
    if (!seen) return Failure(seen.error());
    const bool ours = (*seen)->type == REDIS_REPLY_STRING && (*seen)->str == std::to_string(*generation);
    bool again = !ours || steady_clock::now() - refreshed >= kRefresh;
    if (!again) {
      const auto followed = follow(redis, *generation);
      if (!followed) return Failure(followed.error());
      again = !*followed;
    }
    if (again) {
      generation = rebuild(redis);
      if (!generation) return Failure(generation.error());
      refreshed = steady_clock::now();
    }
    wait(stop, kLook);
  }
  return {};
}

// Everything that has a route, and then away with what was ours and has none.
Result<long long> RedisPublisher::rebuild(Connection& redis) {
  struct All {
    std::vector<Environment> rows;
    long long generation = 0;
  };
  const auto all = database_.read([](Transaction& t) -> Result<All> {
    return All{store::list_environments(t, {}, store::Order::created, store::PageRequest::all()),
               store::route_generation(t)};
  });
  if (!all) return Failure(all.error());
  fault_point("redis.rebuild.before");
  const std::string index = "envgate:" + install_;
  std::size_t waiting = 0;
  const auto drain = [&]() -> Result<void> {
    for (; waiting > 0; --waiting)
      if (auto reply = redis.take(); !reply) return Failure(reply.error());
    return {};
  };
  std::vector<std::string> known;
  for (const Environment& e : all->rows) {
    if (e.route.empty()) continue;
    known.push_back(e.id);
    redis.add(put_command(keys_of(e, all->generation, settings_), index));
    if (++waiting == kBatch)
      if (auto drained = drain(); !drained) return Failure(drained.error());
  }
  if (auto drained = drain(); !drained) return Failure(drained.error());
  const auto ours = redis.ask({"HKEYS", index});
  if (!ours) return Failure(ours.error());
  std::sort(known.begin(), known.end());
  for (std::size_t i = 0; i < (*ours)->elements; ++i) {
    const std::string id((*ours)->element[i]->str, (*ours)->element[i]->len);
    if (std::binary_search(known.begin(), known.end(), id)) continue;
    redis.add(put_command({id, std::to_string(all->generation), "", "", "", "", ""}, index));
    ++waiting;
  }
  if (auto drained = drain(); !drained) return Failure(drained.error());
  if (auto set = redis.ask({"SET", index + ":generation", std::to_string(all->generation)}); !set)
    return Failure(set.error());
  fault_point("redis.rebuild.after");
  note([&](Status& status) { status.generation = all->generation, ++status.rebuilds; });
  return all->generation;
}

// The changes since then. False: some of them were cut off meanwhile, all is to be written anew.
Result<bool> RedisPublisher::follow(Connection& redis, long long& generation) {
  struct Change {
    store::RouteChange change;
    std::optional<Environment> row;
  };
  const auto changes = database_.read([&](Transaction& t) -> Result<std::optional<std::vector<Change>>> {
    const auto found = store::route_changes(t, generation, kBatch);
    if (!found) return std::optional<std::vector<Change>>();
    std::vector<Change> all;
    for (const store::RouteChange& change : *found)
      all.push_back({change, store::find_environment(t, change.environment)});
    return std::optional(std::move(all));
  });
  if (!changes) return Failure(changes.error());
  if (!*changes) return false;
  if ((*changes)->empty()) return true;
  fault_point("redis.put.before");
  const std::string index = "envgate:" + install_;
  for (const Change& one : **changes) {
    Environment e = one.row.value_or(Environment{});
    e.id = one.change.environment;
    e.route = one.change.route;
    redis.add(put_command(keys_of(e, one.change.generation, settings_), index));
  }
  generation = (*changes)->back().change.generation;
  redis.add({"SET", index + ":generation", std::to_string(generation)});
  for (std::size_t i = 0; i <= (*changes)->size(); ++i)
    if (auto reply = redis.take(); !reply) return Failure(reply.error());
  fault_point("redis.put.after");
  note([&](Status& status) { status.generation = generation; });
  return true;
}

}  // namespace envgate::control
