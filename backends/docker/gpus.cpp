#include "backends/docker/gpus.hpp"

#include <algorithm>

namespace envgate::backends::docker {

Outcome<std::vector<std::string>> choose_gpus(const std::vector<GpuDevice>& devices,
                                              const std::vector<GpuUse>& in_use, const Gpu& wanted) {
  const bool shared = wanted.mode == GpuMode::shared;
  std::vector<std::pair<std::size_t, std::string>> free;  // how many share it, and its id
  for (const GpuDevice& device : devices) {
    if (!wanted.model.empty() && device.model != wanted.model) continue;
    std::size_t users = 0;
    bool exclusive = false;
    for (const GpuUse& use : in_use) {
      if (std::find(use.ids.begin(), use.ids.end(), device.id) == use.ids.end()) continue;
      ++users;
      exclusive = exclusive || !use.shared;
    }
    if (shared ? !exclusive : users == 0) free.emplace_back(users, device.id);
  }
  if (free.size() < wanted.count) {
    return failure(Cause::exhausted, std::to_string(wanted.count) + " GPUs" +
                                         (wanted.model.empty() ? "" : " of model " + wanted.model) +
                                         " are wanted, and " + std::to_string(free.size()) +
                                         " are free on this node: free some, or take another node");
  }
  std::stable_sort(free.begin(), free.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<std::string> ids;
  for (std::size_t i = 0; i < wanted.count; ++i) ids.push_back(free[i].second);
  return ids;
}

}  // namespace envgate::backends::docker
