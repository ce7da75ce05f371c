#include "gateway/relay/throttle.hpp"

#include <algorithm>

namespace envgate::relay {
namespace {

constexpr loop::Clock::duration kBurst = std::chrono::milliseconds(250);
constexpr std::size_t kLeastStep = 1024;

}  // namespace

loop::Time Bandwidth::take(bool to_target, std::size_t bytes, std::uint64_t rate, loop::Time now) {
  const std::chrono::duration<double> worth(static_cast<double>(bytes) / static_cast<double>(rate));
  const auto cost = std::chrono::duration_cast<loop::Clock::duration>(worth).count();
  const auto today = now.time_since_epoch().count();
  std::atomic<loop::Time::rep>& due = due_[to_target];
  auto old = due.load(std::memory_order_relaxed);
  while (!due.compare_exchange_weak(old, std::max(old, today) + cost, std::memory_order_relaxed)) {}
  return loop::Time(loop::Clock::duration(std::max(old, today) + cost)) - kBurst;
}

std::size_t Throttle::step(std::size_t most) const {
  return rate == 0 ? most : std::clamp<std::size_t>(rate / 16, kLeastStep, std::max(most, kLeastStep));
}

}  // namespace envgate::relay
