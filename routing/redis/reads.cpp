#include "routing/redis/reads.hpp"

#include <hiredis/hiredis.h>

#include "base/metrics.hpp"

namespace envgate::routing::redis {
namespace {

constexpr std::array<std::string_view, 5> kSuffixes = {":ip", ":ssh_port", ":type", ":access_info", ":route"};
constexpr std::string_view kPrefix = "env:";
constexpr std::size_t kBatch = 200;      // environments in one MGET: about a millisecond of the server's time
constexpr std::size_t kBulkBatches = 4;  // on their way: an urgent read waits for no more than these
constexpr std::size_t kMostBatches = 16;
constexpr std::uint8_t kMostAgain = 8;

std::optional<std::string_view> value_of(const redisReply& reply) {
  if (reply.type != REDIS_REPLY_STRING) return std::nullopt;  // nil: no such key, or not a string
  return std::string_view(reply.str, reply.len);
}

}  // namespace

std::optional<EnvKey> parse_key(std::string_view key) {
  if (!key.starts_with(kPrefix)) return std::nullopt;
  key.remove_prefix(kPrefix.size());
  const std::size_t colon = key.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const std::string_view suffix = key.substr(colon);
  for (const std::string_view known : kSuffixes) {
    if (suffix != known) continue;
    const auto env = EnvId::parse(key.substr(0, colon));
    if (!env) return std::nullopt;
    return EnvKey{*env, known == ":ip" || known == ":route"};
  }
  return std::nullopt;
}

void Reads::urgent(const EnvId& env) {
  const auto [entry, fresh] = reading_.try_emplace(env);
  if (fresh || (!entry->second.in_flight && entry->second.is_bulk)) urgent_.push_back(env);
}

void Reads::changed(const EnvId& env) {
  urgent(env);
  Reading& reading = reading_.at(env);
  if (reading.in_flight) reading.overtaken = true;
}

void Reads::bulk(const EnvId& env) {
  const auto [entry, fresh] = reading_.try_emplace(env);
  if (fresh) bulk_.push_back(env);
  if (!entry->second.is_bulk) ++bulk_left_;
  entry->second.is_bulk = true;
}

void Reads::all_changed() {
  for (auto& [env, reading] : reading_) {
    if (reading.in_flight) reading.overtaken = true;
  }
}

void Reads::drop_bulk() {
  bulk_.clear();
  bulk_left_ = 0;
  for (auto& [env, reading] : reading_) {
    if (reading.is_bulk && !reading.in_flight) urgent_.push_back(env);  // few; harmless to read
    reading.is_bulk = false;
  }
}

void Reads::clear() {
  reading_.clear();
  urgent_.clear();
  bulk_.clear();
  bulk_left_ = batches_ = 0;
}

void Reads::pump() {
  while (!urgent_.empty() && batches_ < kMostBatches) send_batch(urgent_);
  while (!bulk_.empty() && batches_ < kBulkBatches) send_batch(bulk_);
}

void Reads::send_batch(std::deque<EnvId>& queue) {
  static auto& reads = metrics::counter("envgate_redis_reads_total", "Environments read from Redis.");
  std::vector<EnvId> envs;
  while (!queue.empty() && envs.size() < kBatch) {
    const auto found = reading_.find(queue.front());
    if (found != reading_.end() && !found->second.in_flight) {
      found->second.in_flight = true;
      found->second.overtaken = false;
      envs.push_back(found->first);
    }
    queue.pop_front();
  }
  if (envs.empty()) return;
  reads.add(envs.size());
  std::vector<std::string> keys;
  keys.reserve(envs.size() * kSuffixes.size());
  for (const EnvId& env : envs) {
    for (const std::string_view suffix : kSuffixes) {
      keys.emplace_back(kPrefix).append(env.view()).append(suffix);
    }
  }
  std::vector<std::string_view> arguments{"MGET"};
  arguments.insert(arguments.end(), keys.begin(), keys.end());
  ++batches_;
  link_.request(arguments,
                [this, envs = std::move(envs)](const redisReply& reply) { on_reply(envs, reply); });
}

void Reads::on_reply(const std::vector<EnvId>& envs, const redisReply& reply) {
  --batches_;
  if (reply.type != REDIS_REPLY_ARRAY || reply.elements != envs.size() * kSuffixes.size()) {
    return link_.give_up("MGET: " +
                         (reply.str ? std::string(reply.str, reply.len) : "a reply of another shape"));
  }
  for (std::size_t i = 0; i < envs.size(); ++i) {
    redisReply* const* five = reply.element + i * kSuffixes.size();
    finish(envs[i], {value_of(*five[0]), value_of(*five[1]), value_of(*five[2]), value_of(*five[3]),
                     value_of(*five[4])});
  }
}

void Reads::finish(const EnvId& env, const EnvValues& values) {
  static auto& overtaken = metrics::counter("envgate_redis_reads_overtaken_total",
                                            "Reads thrown away, since a change came meanwhile.");
  const auto found = reading_.find(env);
  if (found == reading_.end()) return;
  Reading& reading = found->second;
  reading.in_flight = false;
  if (reading.overtaken) {
    overtaken.add();
    urgent_.push_back(env);
    if (++reading.again < kMostAgain) return;
    reading.again = 0;
    return apply_(env, values);
  }
  if (reading.is_bulk) --bulk_left_;
  reading_.erase(found);
  apply_(env, values);
}

}  // namespace envgate::routing::redis
