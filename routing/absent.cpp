#include "routing/absent.hpp"

#include <algorithm>
#include <bit>

namespace envgate::routing {
namespace {

// 16 ms a tick: 32 bits last two years, then wrap; differences stay right.
std::uint32_t tick(AbsentCache::Clock::time_point time) {
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
  return static_cast<std::uint32_t>(ms >> 4);
}

std::uint64_t tag(std::uint64_t hash) { return hash >> 32 << 32; }

bool alive(std::uint64_t entry, std::uint32_t now) {
  return entry != 0 && static_cast<std::int32_t>(static_cast<std::uint32_t>(entry) - now) > 0;
}

}  // namespace

AbsentCache::AbsentCache(std::size_t entries, std::chrono::milliseconds ttl)
    : mask_(std::bit_ceil(std::max(entries / kWays, std::size_t{1})) - 1),
      ttl_ticks_(static_cast<std::uint32_t>(std::clamp<std::int64_t>(ttl.count() >> 4, 1, 1 << 30))),
      entries_(std::make_unique<Entry[]>((mask_ + 1) * kWays)) {}

void AbsentCache::insert(const EnvId& env, Clock::time_point now) {
  const std::uint64_t hash = env.hash();
  Entry* const set = set_of(hash);
  const std::uint32_t at = tick(now);
  Entry* oldest = set;
  std::int32_t least = INT32_MAX;
  for (Entry* entry = set; entry != set + kWays; ++entry) {
    const std::uint64_t value = entry->load(std::memory_order_relaxed);
    const auto left = static_cast<std::int32_t>(static_cast<std::uint32_t>(value) - at);
    const std::int32_t rank = tag(value) == tag(hash) ? INT32_MIN : alive(value, at) ? left : -1;
    if (rank < least) {
      least = rank;
      oldest = entry;
    }
  }
  oldest->store(tag(hash) | (at + ttl_ticks_), std::memory_order_relaxed);
}

void AbsentCache::erase(const EnvId& env) {
  const std::uint64_t hash = env.hash();
  Entry* const set = set_of(hash);
  for (Entry* entry = set; entry != set + kWays; ++entry) {
    if (tag(entry->load(std::memory_order_relaxed)) == tag(hash)) entry->store(0, std::memory_order_relaxed);
  }
}

bool AbsentCache::contains(const EnvId& env, Clock::time_point now) const {
  const std::uint64_t hash = env.hash();
  const Entry* const set = set_of(hash);
  const std::uint32_t at = tick(now);
  for (const Entry* entry = set; entry != set + kWays; ++entry) {
    const std::uint64_t value = entry->load(std::memory_order_relaxed);
    if (tag(value) == tag(hash) && alive(value, at)) return true;
  }
  return false;
}

}  // namespace envgate::routing
