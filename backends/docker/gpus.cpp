#include "backends/docker/gpus.hpp"

#include <algorithm>
#include <tuple>

namespace envgate::backends::docker {

namespace {

struct Users {
  std::size_t running = 0, lent = 0;
  bool exclusive = false;  // of those that run
};

Users users_of(const std::string& id, const std::vector<GpuUse>& in_use) {
  Users users;
  for (const GpuUse& use : in_use) {
    if (std::find(use.ids.begin(), use.ids.end(), id) == use.ids.end()) continue;
    ++(use.lent ? users.lent : users.running);
    users.exclusive = users.exclusive || (!use.lent && !use.shared);
  }
  return users;
}

bool may_have(bool shared, const Users& users) { return shared ? !users.exclusive : users.running == 0; }

}  // namespace

Outcome<std::vector<std::string>> choose_gpus(const std::vector<GpuDevice>& devices,
                                              const std::vector<GpuUse>& in_use, const Gpu& wanted) {
  std::vector<std::tuple<std::size_t, std::size_t, std::string>> free;
  for (const GpuDevice& device : devices) {
    if (!wanted.model.empty() && device.model != wanted.model) continue;
    const Users users = users_of(device.id, in_use);
    if (may_have(wanted.mode == GpuMode::shared, users))
      free.emplace_back(users.running, users.lent, device.id);
  }
  if (free.size() < wanted.count) {
    return failure(Cause::exhausted, std::to_string(wanted.count) + " GPUs" +
                                         (wanted.model.empty() ? "" : " of model " + wanted.model) +
                                         " are wanted, and " + std::to_string(free.size()) +
                                         " are free on this node: free some, or take another node");
  }
  std::stable_sort(free.begin(), free.end(), [](const auto& a, const auto& b) {
    return std::tie(std::get<0>(a), std::get<1>(a)) < std::tie(std::get<0>(b), std::get<1>(b));
  });
  std::vector<std::string> ids;
  for (std::size_t i = 0; i < wanted.count; ++i) ids.push_back(std::get<2>(free[i]));
  return ids;
}

std::vector<std::string> gpus_in_the_way(const GpuUse& own, const std::vector<GpuUse>& in_use) {
  std::vector<std::string> taken;
  for (const std::string& id : own.ids)
    if (!may_have(own.shared, users_of(id, in_use))) taken.push_back(id);
  return taken;
}

}  // namespace envgate::backends::docker
