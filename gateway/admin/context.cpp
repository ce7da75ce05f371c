#include "gateway/admin/context.hpp"

#include <algorithm>

#include "gateway/admin/ask_workers.hpp"
#include "gateway/gateway.hpp"
#include "gateway/http/target_pool.hpp"

namespace envgate::admin {

std::string running_version() { return std::string(version()); }

Context::Context(gateway::Gateway& of) : gateway(of) {}

std::vector<WorkerFacts> Context::workers() {
  const gateway::Workers& all = gateway.workers();
  const auto answers = ask_workers<WorkerFacts>(all, [](gateway::Worker& worker) {
    return WorkerFacts{true, worker.load(), worker.sessions.size(), worker.pool->idle(),
                       worker.reactor.longest_turn()};
  });
  turns.resize(all.size());
  std::vector<WorkerFacts> out(all.size());
  for (std::size_t i = 0; i < all.size(); ++i) {
    out[i] = answers[i].value_or(WorkerFacts());
    out[i].connections = all[i]->load();
    // The reactor forgets what it has told: it is kept here until a scrape has seen it.
    out[i].longest_turn = turns[i] = std::max(turns[i], out[i].longest_turn);
  }
  return out;
}

}  // namespace envgate::admin
