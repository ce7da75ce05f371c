// Which of a node's GPUs an environment gets. The engine itself would give every container the first ones;
// we say which, and what is taken is read back from the labels of our containers, so that nothing else need
// be kept. A stopped container keeps its GPUs: they are part of it until it is destroyed or replaced. Pure.
#pragma once

#include <string>
#include <vector>

#include "backends/docker/settings.hpp"
#include "backends/failure.hpp"
#include "backends/spec.hpp"

namespace envgate::backends::docker {

struct GpuUse {
  std::vector<std::string> ids;
  bool shared = false;
};

// The ids, in the order of the settings; for `shared`, those with the fewest users. Errors: exhausted.
Outcome<std::vector<std::string>> choose_gpus(const std::vector<GpuDevice>& devices,
                                              const std::vector<GpuUse>& in_use, const Gpu& wanted);

}  // namespace envgate::backends::docker
