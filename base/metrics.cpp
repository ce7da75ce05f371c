#include "base/metrics.hpp"

#include <algorithm>
#include <charconv>
#include <map>
#include <memory>
#include <mutex>

#include "base/check.hpp"

namespace envgate::metrics {
namespace {

enum class Type { counter, gauge, histogram };

struct Series {
  std::unique_ptr<Counter> counter;
  std::unique_ptr<Gauge> gauge;
  std::unique_ptr<Histogram> histogram;
  std::function<double()> read;
};

struct Family {
  Type type;
  std::string help;
  std::map<std::string, Series> series;  // by rendered labels
};

struct Registry {
  std::mutex mutex;
  std::map<std::string, Family, std::less<>> families;
};

Registry& registry() {
  static auto* const instance = new Registry;  // leaked: metrics outlive every thread
  return *instance;
}

std::string render(Labels labels) {
  std::string out;
  for (const auto& [key, value] : labels) {
    if (!out.empty()) out += ',';
    out.append(key).append("=\"");
    for (const char c : value) {
      if (c == '\\' || c == '"') out += '\\';
      if (c == '\n') out += "\\n";
      else out += c;
    }
    out += '"';
  }
  return out;
}

template <typename Make>
Series& find_or_make(Type type, std::string_view name, std::string_view help, Labels labels, Make make) {
  Registry& r = registry();
  const std::lock_guard lock(r.mutex);
  auto [family, fresh] = r.families.try_emplace(std::string(name));
  if (fresh) {
    family->second.type = type;
    family->second.help = help;
  }
  CHECK(family->second.type == type);
  auto [series, added] = family->second.series.try_emplace(render(labels));
  if (added) make(series->second);
  return series->second;
}

void append_number(std::string& out, double value) {
  char digits[40];
  const auto result = std::to_chars(digits, digits + sizeof(digits), value);
  out.append(digits, result.ptr);
}

void write_sample(std::string& out, std::string_view name, std::string_view labels, double value) {
  out += name;
  if (!labels.empty()) out.append("{").append(labels).append("}");
  out += ' ';
  append_number(out, value);
  out += '\n';
}

void write_series(std::string& out, const std::string& name, const std::string& labels,
                  const Series& series) {
  if (series.counter) write_sample(out, name, labels, static_cast<double>(series.counter->value()));
  if (series.gauge) write_sample(out, name, labels, static_cast<double>(series.gauge->value()));
  if (series.read) write_sample(out, name, labels, series.read());
  if (series.histogram) series.histogram->write(out, name, labels);
}

}  // namespace

std::size_t this_shard() {
  static std::atomic<std::size_t> next{0};
  thread_local const std::size_t mine = next.fetch_add(1, std::memory_order_relaxed) % kShards;
  return mine;
}

std::uint64_t Counter::value() const {
  std::uint64_t sum = 0;
  for (const Shard& shard : shards_) sum += shard.value.load(std::memory_order_relaxed);
  return sum;
}

Histogram::Histogram(std::vector<double> bounds) : bounds_(std::move(bounds)) {
  CHECK(std::is_sorted(bounds_.begin(), bounds_.end()));
  for (Shard& shard : shards_) shard.buckets = std::vector<std::atomic<std::uint64_t>>(bounds_.size() + 1);
}

void Histogram::observe(double seconds) {
  const auto bucket = std::lower_bound(bounds_.begin(), bounds_.end(), seconds) - bounds_.begin();
  Shard& shard = shards_[this_shard()];
  shard.buckets[static_cast<std::size_t>(bucket)].fetch_add(1, std::memory_order_relaxed);
  shard.sum_nanoseconds.fetch_add(static_cast<std::uint64_t>(std::max(0.0, seconds) * 1e9),
                                  std::memory_order_relaxed);
}

std::uint64_t Histogram::count() const {
  std::uint64_t sum = 0;
  for (const Shard& shard : shards_)
    for (const auto& bucket : shard.buckets) sum += bucket.load(std::memory_order_relaxed);
  return sum;
}

void Histogram::write(std::string& out, std::string_view name, std::string_view labels) const {
  std::uint64_t cumulative = 0;
  double sum = 0;
  for (const Shard& shard : shards_)
    sum += static_cast<double>(shard.sum_nanoseconds.load(std::memory_order_relaxed)) / 1e9;
  const std::string prefix = labels.empty() ? "" : std::string(labels) + ",";
  for (std::size_t i = 0; i <= bounds_.size(); ++i) {
    for (const Shard& shard : shards_) cumulative += shard.buckets[i].load(std::memory_order_relaxed);
    std::string bound = "+Inf";
    if (i < bounds_.size()) {
      bound.clear();
      append_number(bound, bounds_[i]);
    }
    write_sample(out, std::string(name) + "_bucket", prefix + "le=\"" + bound + "\"",
                 static_cast<double>(cumulative));
  }
  write_sample(out, std::string(name) + "_sum", labels, sum);
  write_sample(out, std::string(name) + "_count", labels, static_cast<double>(cumulative));
}

Counter& counter(std::string_view name, std::string_view help, Labels labels) {
  return *find_or_make(Type::counter, name, help, labels, [](Series& s) {
            s.counter = std::make_unique<Counter>();
          }).counter;
}

Gauge& gauge(std::string_view name, std::string_view help, Labels labels) {
  return *find_or_make(Type::gauge, name, help, labels, [](Series& s) {
            s.gauge = std::make_unique<Gauge>();
          }).gauge;
}

Histogram& histogram(std::string_view name, std::string_view help, std::vector<double> bounds,
                     Labels labels) {
  return *find_or_make(Type::histogram, name, help, labels, [&](Series& s) {
            s.histogram = std::make_unique<Histogram>(std::move(bounds));
          }).histogram;
}

void gauge_function(std::string_view name, std::string_view help, std::function<double()> read,
                    Labels labels) {
  Series& series = find_or_make(Type::gauge, name, help, labels, [](Series&) {});
  const std::lock_guard lock(registry().mutex);
  series.read = std::move(read);
}

std::vector<double> latency_bounds() {
  return {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60};
}

std::string exposition() {
  static constexpr std::string_view kTypes[] = {"counter", "gauge", "histogram"};
  std::string out;
  Registry& r = registry();
  const std::lock_guard lock(r.mutex);
  for (const auto& [name, family] : r.families) {
    out.append("# HELP ")
        .append(name)
        .append(" ")
        .append(family.help)
        .append("\n# TYPE ")
        .append(name)
        .append(" ");
    out.append(kTypes[static_cast<std::size_t>(family.type)]).append("\n");
    for (const auto& [labels, series] : family.series) write_series(out, name, labels, series);
  }
  return out;
}

}  // namespace envgate::metrics
