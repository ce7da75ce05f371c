// Lookups of environments that the table does not have: each is asked about once however many wait for it,
// each has a deadline, and a storm of made-up names reaches the source only at a bounded rate. Thread: the
// routing thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <deque>
#include <functional>
#include <unordered_map>
#include <vector>

#include "routing/names.hpp"
#include "routing/router.hpp"

namespace envgate::routing {

class Misses {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::size_t kMost = 16384;  // environments waited for at once

  Misses(std::chrono::milliseconds deadline, std::uint32_t rate)
      : deadline_(deadline), rate_(rate), tokens_(rate) {}

  enum class Ask : std::uint8_t {
    yes,      // the source must be asked now
    waiting,  // it has been already
    no        // too many; `resolved` was not taken
  };
  Ask add(const EnvId& env, Router::Resolved& resolved, Clock::time_point now);
  // Answers all who wait for `env`, if any do.
  void answer(const EnvId& env, const Resolution& resolution);
  // Answers `unavailable` to those whose time is up. Returns when to call again; max() if nobody waits.
  [[nodiscard]] Clock::time_point expire(Clock::time_point now);
  void answer_all(const Resolution& resolution);
  std::size_t size() const { return waiting_.size(); }

 private:
  bool take_token(Clock::time_point now);

  struct Waiting {
    Clock::time_point until;
    std::vector<Router::Resolved> resolved;
  };
  const std::chrono::milliseconds deadline_;
  const double rate_;
  double tokens_;
  Clock::time_point refilled_{};
  std::unordered_map<EnvId, Waiting> waiting_;
  std::deque<std::pair<Clock::time_point, EnvId>> deadlines_;  // in order, since all have the same length
};

}  // namespace envgate::routing
