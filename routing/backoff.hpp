// How long to wait before the next attempt at a server that is away. Thread: one.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <random>

namespace envgate::routing {

class Backoff {
 public:
  Backoff(std::chrono::milliseconds first, std::chrono::milliseconds most) : first_(first), most_(most) {}

  // Doubles with each call, up to `most`; between half of that and all of it, since a thousand gateways
  // should not come back in step.
  std::chrono::milliseconds next() {
    const auto most = std::min<std::int64_t>(most_.count(), first_.count() << std::min(failures_++, 16u));
    return std::chrono::milliseconds(std::uniform_int_distribution<std::int64_t>(most / 2, most)(random_));
  }
  void reset() { failures_ = 0; }

 private:
  const std::chrono::milliseconds first_, most_;
  unsigned failures_ = 0;  // in a row
  std::minstd_rand random_{std::random_device{}()};
};

}  // namespace envgate::routing
