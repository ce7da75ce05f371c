// Which of a node's GPUs an environment gets. The engine itself would give every container the first ones;
// we say which, and what is taken is read back from the labels of our containers, so that nothing else need
// be kept. A stopped container has lent its GPUs back: others may take them, those that are nobody's first,
// and its start waits until they are free again, since an engine cannot change a container's devices. Pure.
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
  bool lent = false;  // the container does not run
};

// The ids: those with the fewest users first, then those that nobody has lent back, then in the order of the
// settings. Errors: exhausted.
Outcome<std::vector<std::string>> choose_gpus(const std::vector<GpuDevice>& devices,
                                              const std::vector<GpuUse>& in_use, const Gpu& wanted);

// Those of `own` that a container which runs keeps it from having.
std::vector<std::string> gpus_in_the_way(const GpuUse& own, const std::vector<GpuUse>& in_use);

}  // namespace envgate::backends::docker
