#include "gateway/penalties.hpp"

#include <algorithm>

#include "base/check.hpp"
#include "gateway/source.hpp"

namespace envgate::gateway {

std::string_view to_string(Offence offence) {
  switch (offence) {
    case Offence::crash: return "crash";
    case Offence::authfail: return "authfail";
    case Offence::invaliduser: return "invaliduser";
    case Offence::noauth: return "noauth";
    case Offence::grace_exceeded: return "grace_exceeded";
  }
  CHECK(!"an Offence that has a name");
}

std::chrono::seconds Penalties::seconds_for(Offence offence) const {
  switch (offence) {
    case Offence::crash: return settings_.crash;
    case Offence::authfail: return settings_.authfail;
    case Offence::invaliduser: return settings_.invaliduser;
    case Offence::noauth: return settings_.noauth;
    case Offence::grace_exceeded: return settings_.grace_exceeded;
  }
  CHECK(!"an Offence that has a penalty");
}

void Penalties::set(PenaltySettings settings) {
  const std::lock_guard lock(mutex_);
  settings_ = std::move(settings);
  while (entries_.size() > settings_.sources) forget_first();
}

void Penalties::forget_first() {
  entries_.erase(by_end_.begin()->second);
  by_end_.erase(by_end_.begin());
}

void Penalties::forget_ended(Clock::time_point now) {
  while (!by_end_.empty() && by_end_.begin()->first <= now) forget_first();
}

void Penalties::add(const IpAddress& peer, Offence offence, Clock::time_point now) {
  const std::lock_guard lock(mutex_);
  forget_ended(now);
  const std::chrono::seconds penalty = seconds_for(offence);
  if (any_contains(settings_.exempt, peer) || settings_.sources == 0) return;
  ++counts_.offences[static_cast<std::size_t>(offence)];
  if (penalty <= penalty.zero()) return;
  const IpAddress source = source_of(peer);
  const auto known = entries_.find(source);
  if (known == entries_.end() && entries_.size() >= settings_.sources) {
    forget_first();
    ++counts_.evicted;
  }
  Entry entry = known == entries_.end() ? Entry{now} : known->second;
  by_end_.erase({entry.ends, source});
  entry.ends = std::min(entry.ends + penalty, now + settings_.max);
  entry.active = entry.active || entry.ends - now >= settings_.min;
  by_end_.emplace(entry.ends, source);
  entries_[source] = entry;
}

bool Penalties::refuses(const IpAddress& peer, Clock::time_point now) {
  const std::lock_guard lock(mutex_);
  forget_ended(now);
  const auto known = entries_.find(source_of(peer));
  if (known == entries_.end() || !known->second.active || any_contains(settings_.exempt, peer)) return false;
  ++counts_.refused;
  return true;
}

std::size_t Penalties::tracked() const {
  const std::lock_guard lock(mutex_);
  return entries_.size();
}

Penalties::Counts Penalties::counts() const {
  const std::lock_guard lock(mutex_);
  return counts_;
}

}  // namespace envgate::gateway
