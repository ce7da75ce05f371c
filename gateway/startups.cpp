#include "gateway/startups.hpp"

#include <utility>

#include "base/check.hpp"
#include "gateway/source.hpp"

namespace envgate::gateway {

std::string_view to_string(Startups::Verdict verdict) {
  switch (verdict) {
    case Startups::Verdict::admitted: return "admitted";
    case Startups::Verdict::early_drop: return "early_drop";
    case Startups::Verdict::full: return "full";
    case Startups::Verdict::source: return "source";
  }
  CHECK(!"a Verdict that has a name");
}

StartupPlace::StartupPlace(StartupPlace&& other) noexcept
    : startups_(std::exchange(other.startups_, nullptr)), source_(other.source_) {}

StartupPlace& StartupPlace::operator=(StartupPlace&& other) noexcept {
  if (this == &other) return *this;
  release();
  startups_ = std::exchange(other.startups_, nullptr);
  source_ = other.source_;
  return *this;
}

void StartupPlace::release() {
  if (Startups* const startups = std::exchange(startups_, nullptr)) startups->leave(source_);
}

void Startups::set(StartupLimits limits) {
  const std::lock_guard lock(mutex_);
  limits_ = limits;
}

Startups::Verdict Startups::judge(const IpAddress& source, unsigned chance) const {
  if (limits_.per_source != 0) {
    const auto known = by_source_.find(source);
    if (known != by_source_.end() && known->second >= limits_.per_source) return Verdict::source;
  }
  if (waiting_ >= limits_.full) return Verdict::full;
  if (waiting_ < limits_.start) return Verdict::admitted;
  // From `rate` at `start` in a straight line to 100 at `full`; start <= waiting < full, so no division by 0.
  const std::uint64_t rate = limits_.rate < 100 ? limits_.rate : 100;
  const std::uint64_t percent =
      rate + (100 - rate) * (waiting_ - limits_.start) / (limits_.full - limits_.start);
  return chance < percent ? Verdict::early_drop : Verdict::admitted;
}

Startups::Verdict Startups::enter(const IpAddress& peer, unsigned chance, StartupPlace& place) {
  const IpAddress source = source_of(peer);
  StartupPlace taken;
  Verdict verdict;
  {
    const std::lock_guard lock(mutex_);
    verdict = judge(source, chance);
    switch (verdict) {
      case Verdict::early_drop: ++counts_.early_drop; break;
      case Verdict::full: ++counts_.full; break;
      case Verdict::source: ++counts_.source; break;
      case Verdict::admitted:
        ++counts_.admitted;
        ++waiting_;
        ++by_source_[source];
        taken.startups_ = this;
        taken.source_ = source;
    }
  }
  // Not under the lock: the place that `place` held before may be one of ours.
  if (verdict == Verdict::admitted) place = std::move(taken);
  return verdict;
}

void Startups::leave(const IpAddress& source) {
  const std::lock_guard lock(mutex_);
  --waiting_;
  const auto known = by_source_.find(source);
  CHECK(known != by_source_.end());
  if (--known->second == 0) by_source_.erase(known);
}

unsigned Startups::waiting() const {
  const std::lock_guard lock(mutex_);
  return waiting_;
}

Startups::Counts Startups::counts() const {
  const std::lock_guard lock(mutex_);
  return counts_;
}

}  // namespace envgate::gateway
