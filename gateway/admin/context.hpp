// What the handlers work on: the gateway, and what the admin API itself remembers between calls.
// Thread: the admin thread's.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "base/settings.hpp"
#include "gateway/acceptor.hpp"
#include "gateway/admin/gauges.hpp"

namespace envgate::gateway {
class Gateway;
}

namespace envgate::admin {

// One worker as it was a moment ago.
struct WorkerFacts {
  bool answered = false;  // false: it has not turned for kWorkerPatience
  unsigned connections = 0;
  std::size_t sessions = 0, pooled = 0;
  std::chrono::nanoseconds longest_turn{0};  // since the last scrape
};

std::string running_version();  // "0.1.0"

struct Context {
  gateway::Gateway& gateway;
  Gauges gauges;
  settings::Texts overrides;  // set over the API, and in force
  std::vector<std::chrono::nanoseconds>
      turns;  // by worker: the longest since the last scrape, as far as it was asked

  explicit Context(gateway::Gateway& of);
  std::vector<WorkerFacts> workers();  // asks them
};

}  // namespace envgate::admin
