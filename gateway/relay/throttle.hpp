// Holds an environment to its route's `limits.bandwidth`: each way, over all of its connections and every
// worker.
//
// Whoever has moved bytes asks when it may move more, and sleeps until then: the generic cell rate algorithm,
// one atomic number a direction, no lock and no timer of its own. A quarter of a second's worth may go at
// once. Thread: any. Source: ITU-T I.371, annex A (GCRA, virtual scheduling).
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "gateway/loop/event.hpp"

namespace envgate::relay {

// What the connections of one environment share.
class Bandwidth {
 public:
  // Counts `bytes`, and says when the next may be moved: `now` or before, as long as `rate` (bytes a second,
  // not 0) is kept.
  loop::Time take(bool to_target, std::size_t bytes, std::uint64_t rate, loop::Time now);

 private:
  std::atomic<loop::Time::rep> due_[2] = {};  // when all that was counted would have left at the rate
};

// One connection's part in it. Empty: no limit, and no cost but a test.
struct Throttle {
  std::shared_ptr<Bandwidth> shared;
  std::uint64_t rate = 0;  // bytes a second, each way

  explicit operator bool() const { return shared != nullptr; }
  // As much as one step may move, so that no connection sleeps long for what it did at once.
  std::size_t step(std::size_t most) const;
  // For whoever has just moved `bytes`: co_await it. Requires: not empty.
  loop::Sleep pause(loop::Reactor& reactor, bool to_target, std::size_t bytes) const {
    return loop::sleep_until(reactor, shared->take(to_target, bytes, rate, reactor.now()));
  }
};

}  // namespace envgate::relay
