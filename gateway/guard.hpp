// The limits that keep one stranger from taking what belongs to all: connections in all, connections and new
// ones a second per source address, connections and requests a second per environment. Shared by every
// reactor, in shards, so that two cores seldom meet.
//
// A source is an IPv4 address or an IPv6 /64, the smallest network that a customer is given (RFC 6177). Rates
// are token buckets that hold one second's worth. Memory is bounded: a source is forgotten when it has no
// connection and its buckets are full again. Thread: any.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string_view>
#include <unordered_map>

#include "base/ip.hpp"
#include "gateway/relay/throttle.hpp"
#include "routing/names.hpp"

namespace envgate::gateway {

struct GuardLimits {  // 0: none
  unsigned connections = 0;
  unsigned connections_per_source = 0;
  unsigned connections_per_environment = 0;
  unsigned connection_rate_per_source = 0;
  unsigned requests_per_source = 0;
  unsigned requests_per_environment = 0;
};

enum class Refusal : std::uint8_t {
  none,
  too_many_connections,
  source_connections,
  source_connection_rate,
  environment_connections,
  source_requests,
  environment_requests,
};
std::string_view to_string(Refusal refusal);  // snake_case, fit for a metric's label

class Guard;

// A counted connection: gives its place back when it is destroyed. Requires: the Guard outlives it.
class Permit {
 public:
  Permit() = default;
  Permit(Permit&& other) noexcept { swap(other); }
  Permit& operator=(Permit&& other) noexcept {
    swap(other);
    return *this;
  }
  ~Permit();

 private:
  friend class Guard;
  void swap(Permit& other) noexcept;
  Guard* guard_ = nullptr;
  std::array<char, 32> key_{};
  bool is_environment_ = false;
};

class Guard {
 public:
  using Clock = std::chrono::steady_clock;
  explicit Guard(const GuardLimits& limits);
  ~Guard();
  void set_limits(const GuardLimits& limits);

  // A new connection from `source`, and later the same connection as one to `env`.
  Refusal admit(const IpAddress& source, Clock::time_point now, Permit& permit);
  // `limit`: the route's own, 0 for the setting.
  Refusal admit(const routing::EnvId& env, unsigned limit, Clock::time_point now, Permit& permit);

  // One more request on an admitted connection: from its source, whatever it asks for, and then to an
  // environment. `rate`: the route's own, 0 for the setting.
  Refusal request(const IpAddress& source, Clock::time_point now);
  Refusal request(const routing::EnvId& env, unsigned rate, Clock::time_point now);

  // What the route's limits.bandwidth is kept by; shared by all who ask for the same environment at a time.
  std::shared_ptr<relay::Bandwidth> bandwidth(const routing::EnvId& env);

  unsigned connections() const { return connections_.load(std::memory_order_relaxed); }
  std::size_t tracked() const;  // sources and environments in memory

 private:
  friend class Permit;
  using Key = std::array<char, 32>;
  struct KeyHash {
    std::size_t operator()(const Key& key) const noexcept;
  };
  // Tokens in thousandths, so that low rates fill smoothly.
  struct Bucket {
    std::int64_t milli_tokens = -1;  // -1: full
    Clock::time_point filled;
    bool take(unsigned rate, Clock::time_point now);
    bool full(unsigned rate, Clock::time_point now);
    void fill(unsigned rate, Clock::time_point now);
  };
  struct Entry {
    unsigned connections = 0;
    Bucket connection_rate, request_rate;
    std::weak_ptr<relay::Bandwidth> bandwidth;
  };
  struct alignas(64) Shard {
    mutable std::mutex mutex;
    std::unordered_map<Key, Entry, KeyHash> entries;
    std::size_t sweep_at = 1024;
  };
  static constexpr std::size_t kShards = 16;
  struct Table {
    std::array<Shard, kShards> shards;
    Shard& shard(const Key& key) { return shards[KeyHash()(key) % kShards]; }
  };

  static Key source_key(const IpAddress& source);
  static Key environment_key(const routing::EnvId& env);
  void sweep(Shard& shard, Clock::time_point now);
  void leave(const Permit& permit);
  static bool request_from(Table& table, const Key& key, unsigned rate, Clock::time_point now);

  std::atomic<unsigned> connections_{0};
  std::atomic<unsigned> max_connections_, per_source_, per_environment_, rate_per_source_,
      requests_per_source_, requests_per_environment_;
  Table sources_, environments_;
};

}  // namespace envgate::gateway
