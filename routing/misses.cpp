#include "routing/misses.hpp"

#include <algorithm>

namespace envgate::routing {

Misses::Ask Misses::add(const EnvId& env, Router::Resolved& resolved, Clock::time_point now) {
  const auto found = waiting_.find(env);
  if (found != waiting_.end()) {
    found->second.resolved.push_back(std::move(resolved));
    return Ask::waiting;
  }
  if (waiting_.size() >= kMost || !take_token(now)) return Ask::no;
  Waiting& waiting = waiting_[env];
  waiting.until = now + deadline_;
  waiting.resolved.push_back(std::move(resolved));
  deadlines_.emplace_back(waiting.until, env);
  return Ask::yes;
}

bool Misses::take_token(Clock::time_point now) {
  const double elapsed = std::chrono::duration<double>(now - refilled_).count();
  refilled_ = now;
  tokens_ = std::min(rate_, tokens_ + elapsed * rate_);
  if (tokens_ < 1) return false;
  tokens_ -= 1;
  return true;
}

void Misses::answer(const EnvId& env, const Resolution& resolution) {
  const auto found = waiting_.find(env);
  if (found == waiting_.end()) return;
  const Waiting waiting = std::move(found->second);
  waiting_.erase(found);
  for (const auto& resolved : waiting.resolved) resolved(resolution);
}

Misses::Clock::time_point Misses::expire(Clock::time_point now) {
  while (!deadlines_.empty()) {
    const auto [until, env] = deadlines_.front();
    const auto found = waiting_.find(env);
    const bool pending = found != waiting_.end() && found->second.until == until;
    if (pending && until > now) return until;
    deadlines_.pop_front();
    if (pending) answer(env, {});
  }
  return Clock::time_point::max();
}

void Misses::answer_all(const Resolution& resolution) {
  while (!waiting_.empty()) answer(waiting_.begin()->first, resolution);
}

}  // namespace envgate::routing
