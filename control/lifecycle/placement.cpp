#include "control/lifecycle/placement.hpp"

#include <algorithm>
#include <tuple>

#include "control/store/nodes.hpp"

namespace envgate::control {
namespace {

constexpr char kLocal[] = "local";  // the settings'; every other one has a row

// How much of the tightest of its resources would be used; 0 where what it has is not known yet.
double load_of(const Engine& engine, const store::Placed& placed, const store::Resources& wanted) {
  const auto share = [](long long used, long long all) {
    return all == 0 ? 0.0 : static_cast<double>(used) / static_cast<double>(all);
  };
  return std::max({share(placed.cpu_millis + wanted.cpu_millis, engine.state->cpu_millis),
                   share(placed.memory_bytes + wanted.memory_bytes, engine.state->memory_bytes),
                   wanted.gpus == 0 ? 0.0 : share(placed.gpus + wanted.gpus, engine.gpus)});
}

}  // namespace

Result<std::string> choose_node(store::Transaction& t, const std::vector<EnginePtr>& candidates,
                                const store::Resources& wanted) {
  // All rows are added up for it: not where there is no choice.
  std::map<std::string, store::Placed> placed;
  if (candidates.size() > 1) placed = store::placed_by_node(t, "docker");
  using Rank = std::tuple<bool, bool, double, long long, std::string>;
  std::optional<Rank> best;
  for (const EnginePtr& engine : candidates) {
    const std::string name = engine->node();
    if (name != kLocal) {  // another controller may have taken it away meanwhile
      const auto node = store::find_node(t, name);
      if (!node || !node->open) continue;
    }
    const auto found = placed.find(name);
    const store::Placed here = found == placed.end() ? store::Placed{} : found->second;
    const double load = load_of(*engine, here, wanted);
    const Rank rank(!engine->state->answers, load > 1, load, here.environments, name);
    if (!best || rank < *best) best = rank;
  }
  if (best) return std::get<std::string>(*best);
  std::string names;
  for (const EnginePtr& engine : candidates) names += (names.empty() ? "" : ", ") + engine->node();
  return fail("no new environments are placed on " + names + ": envctl node available NODE, or add a node",
              store::kNoNode);
}

}  // namespace envgate::control
