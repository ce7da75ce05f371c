// Metrics in Prometheus' text format: counters, gauges and histograms, registered once by name and kept for
// the life of the process. An update is one relaxed atomic add on a cache line that the thread seldom shares;
// the reader sums the shards. Names follow Prometheus' rules: base units, `_total` on counters; label values
// come from a fixed set in the code, never from a peer. Thread: any. Owns: the registry owns the metrics;
// references to them stay valid for ever. Source:
// https://prometheus.io/docs/instrumenting/exposition_formats/ (text format 0.0.4).
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace envgate::metrics {

inline constexpr std::size_t kShards = 8;
std::size_t this_shard();  // 0 to kShards - 1, fixed per thread

class Counter {
 public:
  void add(std::uint64_t n = 1) { shards_[this_shard()].value.fetch_add(n, std::memory_order_relaxed); }
  std::uint64_t value() const;

 private:
  struct alignas(64) Shard {
    std::atomic<std::uint64_t> value{0};
  };
  std::array<Shard, kShards> shards_;
};

class Gauge {
 public:
  void set(std::int64_t v) { value_.store(v, std::memory_order_relaxed); }
  void add(std::int64_t n) { value_.fetch_add(n, std::memory_order_relaxed); }
  std::int64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::int64_t> value_{0};
};

// Observations in seconds, in buckets fixed at registration (ascending upper bounds; +Inf is implied).
class Histogram {
 public:
  explicit Histogram(std::vector<double> bounds);
  void observe(double seconds);
  void write(std::string& out, std::string_view name, std::string_view labels) const;
  std::uint64_t count() const;

 private:
  struct Shard {
    std::vector<std::atomic<std::uint64_t>> buckets;
    std::atomic<std::uint64_t> sum_nanoseconds{0};
  };
  std::vector<double> bounds_;
  std::array<Shard, kShards> shards_;
};

using Labels = std::initializer_list<std::pair<std::string_view, std::string_view>>;

// The same name and labels give the same metric. CHECKs that one name has one type.
Counter& counter(std::string_view name, std::string_view help, Labels labels = {});
Gauge& gauge(std::string_view name, std::string_view help, Labels labels = {});
Histogram& histogram(std::string_view name, std::string_view help, std::vector<double> bounds,
                     Labels labels = {});

// A gauge whose value is asked for at scrape time, on the scraping thread.
void gauge_function(std::string_view name, std::string_view help, std::function<double()> read,
                    Labels labels = {});

std::vector<double> latency_bounds();  // 0.5 ms to 60 s, for requests and handshakes

std::string exposition();

}  // namespace envgate::metrics
