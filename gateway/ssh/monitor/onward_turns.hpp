// How many sessions are on their way into one target at once. Servers count connections that are not logged
// in yet by their source, and all of ours have one: dropbear closes the sixth, sshd drops some by chance from
// the tenth on. When an environment has just started, everybody who waited for it would come together. Shared
// by all workers. Thread: any. Source: dropbear's MAX_UNAUTH_PER_IP, sshd_config(5) MaxStartups.
#pragma once

#include <mutex>
#include <optional>
#include <unordered_map>

#include "routing/names.hpp"

namespace envgate::ssh::monitor {

class OnwardTurns;

// A place among them; given back when it is destroyed or released. Requires: the OnwardTurns outlives it.
class OnwardTurn {
 public:
  OnwardTurn() = default;
  OnwardTurn(const OnwardTurn&) = delete;
  OnwardTurn& operator=(const OnwardTurn&) = delete;
  ~OnwardTurn() { release(); }
  void release();

 private:
  friend class OnwardTurns;
  OnwardTurns* turns_ = nullptr;
  routing::EnvId env_;
};

class OnwardTurns {
 public:
  static constexpr unsigned kMost = 4;

  // False: all are taken; ask again. Requires: `into` holds none.
  bool take(const routing::EnvId& env, OnwardTurn& into);

 private:
  friend class OnwardTurn;
  void leave(const routing::EnvId& env);
  std::mutex mutex_;
  std::unordered_map<routing::EnvId, unsigned> taken_;  // none at 0
};

}  // namespace envgate::ssh::monitor
