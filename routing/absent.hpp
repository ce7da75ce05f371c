// Remembers for a moment which environments the source said do not exist, so that a storm of unknown names
// costs it nothing. Bounded: a fixed table in which a newer entry pushes out an older. An entry is a hash,
// not the id: the hash is seeded (names.hpp), and a chance collision (4 in 2^32 a lookup) is forgotten with
// the entry. Thread: insert and erase on one thread; contains on any, wait-free.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>

#include "routing/names.hpp"

namespace envgate::routing {

class AbsentCache {
 public:
  using Clock = std::chrono::steady_clock;
  AbsentCache(std::size_t entries, std::chrono::milliseconds ttl);

  void insert(const EnvId& env, Clock::time_point now = Clock::now());
  void erase(const EnvId& env);
  bool contains(const EnvId& env, Clock::time_point now = Clock::now()) const;

 private:
  static constexpr std::size_t kWays = 4;
  using Entry = std::atomic<std::uint64_t>;  // 32 bits of hash, 32 of the tick at which it expires; 0: free
  Entry* set_of(std::uint64_t hash) const { return &entries_[(hash & mask_) * kWays]; }

  std::size_t mask_;
  std::uint32_t ttl_ticks_;
  std::unique_ptr<Entry[]> entries_;
};

}  // namespace envgate::routing
