#include "gateway/guard.hpp"

#include <algorithm>
#include <cstring>
#include <functional>

namespace envgate::gateway {

using std::chrono::milliseconds;

std::string_view to_string(Refusal refusal) {
  static constexpr std::string_view kNames[] = {"none",
                                                "too_many_connections",
                                                "source_connections",
                                                "source_connection_rate",
                                                "environment_connections",
                                                "source_requests",
                                                "environment_requests"};
  return kNames[static_cast<std::size_t>(refusal)];
}

Permit::~Permit() {
  if (guard_) guard_->leave(*this);
}

void Permit::swap(Permit& other) noexcept {
  std::swap(guard_, other.guard_);
  std::swap(key_, other.key_);
  std::swap(is_environment_, other.is_environment_);
}

std::size_t Guard::KeyHash::operator()(const Key& key) const noexcept {
  // libstdc++ hashes strings by murmur with a fixed seed; sources are few per attacker (a /64 each), so that
  // colliding on purpose costs more than it gains, and the table is bounded anyway.
  return std::hash<std::string_view>()({key.data(), key.size()});
}

Guard::Guard(const GuardLimits& limits) { set_limits(limits); }
Guard::~Guard() = default;

void Guard::set_limits(const GuardLimits& limits) {
  max_connections_ = limits.connections;
  per_source_ = limits.connections_per_source;
  per_environment_ = limits.connections_per_environment;
  rate_per_source_ = limits.connection_rate_per_source;
  requests_per_source_ = limits.requests_per_source;
  requests_per_environment_ = limits.requests_per_environment;
}

void Guard::Bucket::fill(unsigned rate, Clock::time_point now) {
  const std::int64_t capacity = std::int64_t{rate} * 1000;
  if (milli_tokens < 0) {
    milli_tokens = capacity;
    filled = now;
    return;
  }
  const auto elapsed = std::chrono::duration_cast<milliseconds>(now - filled);
  if (elapsed.count() <= 0) return;
  // rate tokens a second are rate thousandths a millisecond
  milli_tokens = std::min(capacity, milli_tokens + std::min<std::int64_t>(elapsed.count(), 1000) * rate);
  filled += elapsed;
}

bool Guard::Bucket::take(unsigned rate, Clock::time_point now) {
  if (rate == 0) return true;
  fill(rate, now);
  if (milli_tokens < 1000) return false;
  milli_tokens -= 1000;
  return true;
}

bool Guard::Bucket::full(unsigned rate, Clock::time_point now) {
  if (rate == 0 || milli_tokens < 0) return true;
  fill(rate, now);
  return milli_tokens == std::int64_t{rate} * 1000;
}

Guard::Key Guard::source_key(const IpAddress& source) {
  Key key{};
  const std::size_t significant = source.is_v4() ? 16 : 8;
  std::memcpy(key.data(), source.bytes().data(), significant);
  return key;
}

Guard::Key Guard::environment_key(const routing::EnvId& env) {
  Key key{};
  std::memcpy(key.data(), env.view().data(), env.view().size());
  return key;
}

Refusal Guard::admit(const IpAddress& source, Clock::time_point now, Permit& permit) {
  const unsigned most = max_connections_;
  if (connections_.fetch_add(1, std::memory_order_relaxed) >= most && most != 0) {
    connections_.fetch_sub(1, std::memory_order_relaxed);
    return Refusal::too_many_connections;
  }
  const Key key = source_key(source);
  Refusal refusal = Refusal::none;
  {
    Shard& shard = sources_.shard(key);
    const std::lock_guard lock(shard.mutex);
    sweep(shard, now);
    Entry& entry = shard.entries[key];
    const unsigned limit = per_source_;
    if (limit != 0 && entry.connections >= limit) refusal = Refusal::source_connections;
    else if (!entry.connection_rate.take(rate_per_source_, now)) refusal = Refusal::source_connection_rate;
    else ++entry.connections;
  }
  if (refusal != Refusal::none) {
    connections_.fetch_sub(1, std::memory_order_relaxed);
    return refusal;
  }
  permit = Permit();
  permit.guard_ = this;
  permit.key_ = key;
  return Refusal::none;
}

Refusal Guard::admit(const routing::EnvId& env, unsigned limit, Clock::time_point now, Permit& permit) {
  if (limit == 0) limit = per_environment_;
  if (limit == 0) return Refusal::none;  // nothing to count for
  const Key key = environment_key(env);
  {
    Shard& shard = environments_.shard(key);
    const std::lock_guard lock(shard.mutex);
    sweep(shard, now);
    Entry& entry = shard.entries[key];
    if (limit != 0 && entry.connections >= limit) return Refusal::environment_connections;
    ++entry.connections;
  }
  permit = Permit();
  permit.guard_ = this;
  permit.key_ = key;
  permit.is_environment_ = true;
  return Refusal::none;
}

bool Guard::request_from(Table& table, const Key& key, unsigned rate, Clock::time_point now) {
  if (rate == 0) return true;
  Shard& shard = table.shard(key);
  const std::lock_guard lock(shard.mutex);
  return shard.entries[key].request_rate.take(rate, now);
}

Refusal Guard::request(const IpAddress& source, Clock::time_point now) {
  return request_from(sources_, source_key(source), requests_per_source_, now) ? Refusal::none
                                                                               : Refusal::source_requests;
}

Refusal Guard::request(const routing::EnvId& env, unsigned rate, Clock::time_point now) {
  if (rate == 0) rate = requests_per_environment_;
  return request_from(environments_, environment_key(env), rate, now) ? Refusal::none
                                                                      : Refusal::environment_requests;
}

std::shared_ptr<relay::Bandwidth> Guard::bandwidth(const routing::EnvId& env) {
  const Key key = environment_key(env);
  Shard& shard = environments_.shard(key);
  const std::lock_guard lock(shard.mutex);
  std::weak_ptr<relay::Bandwidth>& known = shard.entries[key].bandwidth;
  auto shared = known.lock();
  if (!shared) known = shared = std::make_shared<relay::Bandwidth>();
  return shared;
}

void Guard::leave(const Permit& permit) {
  if (!permit.is_environment_) connections_.fetch_sub(1, std::memory_order_relaxed);
  Shard& shard = (permit.is_environment_ ? environments_ : sources_).shard(permit.key_);
  const std::lock_guard lock(shard.mutex);
  const auto entry = shard.entries.find(permit.key_);
  if (entry != shard.entries.end() && entry->second.connections > 0) --entry->second.connections;
}

// Requires: the shard's lock. Amortised: twice what was left over by the last sweep must have gathered.
void Guard::sweep(Shard& shard, Clock::time_point now) {
  if (shard.entries.size() < shard.sweep_at) return;
  const unsigned connection_rate = rate_per_source_;
  const unsigned request_rate = std::max(requests_per_source_.load(), requests_per_environment_.load());
  for (auto item = shard.entries.begin(); item != shard.entries.end();) {
    Entry& entry = item->second;
    const bool forgotten = entry.connections == 0 && entry.bandwidth.expired() &&
                           entry.connection_rate.full(connection_rate, now) &&
                           entry.request_rate.full(request_rate, now);
    item = forgotten ? shard.entries.erase(item) : std::next(item);
  }
  shard.sweep_at = std::max<std::size_t>(1024, shard.entries.size() * 2);
}

std::size_t Guard::tracked() const {
  std::size_t count = 0;
  for (const Table* table : {&sources_, &environments_})
    for (const Shard& shard : table->shards) {
      const std::lock_guard lock(shard.mutex);
      count += shard.entries.size();
    }
  return count;
}

}  // namespace envgate::gateway
