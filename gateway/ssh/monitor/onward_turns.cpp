#include "gateway/ssh/monitor/onward_turns.hpp"

#include <utility>

#include "base/check.hpp"

namespace envgate::ssh::monitor {

void OnwardTurn::release() {
  if (OnwardTurns* const turns = std::exchange(turns_, nullptr)) turns->leave(env_);
}

bool OnwardTurns::take(const routing::EnvId& env, OnwardTurn& into) {
  CHECK(into.turns_ == nullptr);
  const std::lock_guard lock(mutex_);
  unsigned& taken = taken_[env];
  if (taken >= kMost) return false;
  ++taken;
  into.turns_ = this;
  into.env_ = env;
  return true;
}

void OnwardTurns::leave(const routing::EnvId& env) {
  const std::lock_guard lock(mutex_);
  const auto found = taken_.find(env);
  CHECK(found != taken_.end());
  if (--found->second == 0) taken_.erase(found);
}

}  // namespace envgate::ssh::monitor
