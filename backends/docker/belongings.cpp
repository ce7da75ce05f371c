#include "backends/docker/belongings.hpp"

#include <algorithm>
#include <set>

#include "backends/docker/create_body.hpp"
#include "backends/docker/names.hpp"
#include "backends/docker/observe.hpp"

namespace envgate::backends::docker {
namespace {

json install_label(const Settings& settings) { return {{std::string(kLabelInstall), settings.install}}; }

json owned_label(const Settings& settings, const std::string& owner) {
  json labels = install_label(settings);
  if (!owner.empty()) labels[std::string(kLabelOwner)] = owner;
  return labels;
}

tl::unexpected<Failure> foreign(const std::string& what) {
  return failure(Cause::conflict, what + " has a name of ours and lacks our labels: somebody else made it. " +
                                      "It was not touched; rename or remove it");
}

Outcome<void> check_network(const Settings& settings, const std::string& owner, const json& network) {
  const json& labels = at(network, {"Labels"});
  if (text_at(labels, {kLabelInstall}) == settings.install && text_at(labels, {kLabelOwner}) == owner)
    return {};
  return foreign("network " + network_name(settings.install, owner));
}

constexpr int kMostLooks = 5;

bool is_ambiguous(const Failure& failure) {
  return failure.message.find("is ambiguous") != std::string::npos;
}

// Docker lets two controllers make networks of one name at once, and then finds neither by it. Every
// controller goes through them in the same order, the youngest first; one that has containers stays.
Outcome<void> leave_one_network(Engine& engine, const Settings& settings, const std::string& owner,
                                const Call& call) {
  auto networks = engine.list("/networks?" + label_filter(install_label(settings)), "list networks", call);
  if (!networks) return tl::unexpected(std::move(networks.error()));
  std::vector<std::pair<std::string, std::string>> twins;  // when it was made, and its id
  for (std::size_t i = 0; networks->is_array() && i < networks->size(); ++i) {
    const json& network = (*networks)[i];
    if (text_at(network, {"Name"}) == network_name(settings.install, owner) &&
        check_network(settings, owner, network))
      twins.emplace_back(text_at(network, {"Created"}), text_at(network, {"Id"}));
  }
  std::sort(twins.rbegin(), twins.rend());
  std::size_t left = twins.size();
  for (const auto& [made, id] : twins) {
    if (left < 2) break;
    auto removed = engine.remove("/networks/" + percent_encode(id), "remove network", call);
    if (removed)
      --left;
    else if (removed.error().cause != Cause::denied)
      return removed;
  }
  return {};
}

}  // namespace

Outcome<void> ensure_volumes(Engine& engine, const Settings& settings, const Wanted& wanted,
                             const Call& call) {
  for (const Mount& mount : wanted.mounts) {
    if (mount.kind != MountKind::volume) continue;
    const std::string name = volume_name(settings.install, wanted.environment, mount.source);
    // Made, or found as it is: the answer tells whose it is.
    auto volume = engine.post("/volumes/create", volume_body(settings, wanted.environment, mount.source),
                              "make volume " + name, call);
    if (!volume) return tl::unexpected(std::move(volume.error()));
    if (environment_of(settings, at(*volume, {"Labels"})) != wanted.environment)
      return foreign("volume " + name);
  }
  return {};
}

Outcome<void> remove_volumes(Engine& engine, const Settings& settings, const EnvId& environment,
                             const Call& call) {
  auto answer =
      engine.list("/volumes?" + label_filter(labels_of(settings, environment)), "list volumes", call);
  if (!answer) return tl::unexpected(std::move(answer.error()));
  const json& volumes = at(*answer, {"Volumes"});
  for (std::size_t i = 0; volumes.is_array() && i < volumes.size(); ++i) {
    // Asked for and looked at: not every engine joins two labels by "and".
    if (environment_of(settings, at(volumes[i], {"Labels"})) != environment) continue;
    const std::string name = text_at(volumes[i], {"Name"});
    auto removed =
        engine.remove("/volumes/" + percent_encode(name), "remove volume " + excerpt(name, 100), call);
    if (!removed) return removed;
  }
  return {};
}

Outcome<std::optional<std::string>> find_network(Engine& engine, const Settings& settings,
                                                 const std::string& owner, const Call& call) {
  const std::string name = network_name(settings.install, owner);
  auto found = engine.find("/networks/" + name, "look for network " + name, call);
  if (!found && is_ambiguous(found.error())) return std::optional<std::string>();
  if (!found) return tl::unexpected(std::move(found.error()));
  if (!*found) return std::optional<std::string>();
  auto ours = check_network(settings, owner, **found);
  if (!ours) return tl::unexpected(std::move(ours.error()));
  return std::optional<std::string>(text_at(**found, {"Id"}));
}

Outcome<std::string> ensure_network(Engine& engine, const Settings& settings, const std::string& owner,
                                    const Call& call) {
  const std::string name = network_name(settings.install, owner);
  for (int looks = 1;; ++looks) {
    auto found = engine.find("/networks/" + name, "look for network " + name, call);
    if (!found && is_ambiguous(found.error()) && looks < kMostLooks) {
      auto left = leave_one_network(engine, settings, owner, call);
      if (!left) return tl::unexpected(std::move(left.error()));
      continue;
    }
    if (!found) return tl::unexpected(std::move(found.error()));
    if (*found) {
      auto ours = check_network(settings, owner, **found);
      if (!ours) return tl::unexpected(std::move(ours.error()));
      return text_at(**found, {"Id"});
    }
    auto made = engine.post("/networks/create", network_body(settings, owner), "make network " + name, call);
    // Looked for again: another controller may have been first, or make one at this moment.
    if (!made && (made.error().cause != Cause::conflict || looks >= kMostLooks))
      return tl::unexpected(std::move(made.error()));
    if (looks >= kMostLooks)
      return failure(Cause::failed, "network " + name + " was made and is not there: somebody removes it");
  }
}

Outcome<void> rejoin_network(Engine& engine, const Settings& settings, const std::string& owner,
                             const std::string& container, const Call& call) {
  const std::string name = network_name(settings.install, owner);
  auto left = engine.post("/networks/" + name + "/disconnect", {{"Container", container}, {"Force", true}},
                          "leave the old network " + name, call);
  if (!left) return tl::unexpected(std::move(left.error()));
  auto joined = engine.post("/networks/" + name + "/connect", json::object({{"Container", container}}),
                            "join network " + name, call);
  if (!joined) return tl::unexpected(std::move(joined.error()));
  return {};
}

Outcome<void> sweep_networks(Engine& engine, const Settings& settings, const std::string& owner,
                             const Call& call) {
  auto networks =
      engine.list("/networks?" + label_filter(owned_label(settings, owner)), "list networks", call);
  if (!networks) return tl::unexpected(std::move(networks.error()));
  std::set<std::string> owners;
  auto listed = each_container(
      engine, settings, owner,
      [&](const json& container) {
        owners.insert(text_at(container, {"Labels", kLabelOwner}));
      },
      call);
  if (!listed) return listed;
  for (std::size_t i = 0; networks->is_array() && i < networks->size(); ++i) {
    const json& network = (*networks)[i];
    const std::string its = text_at(network, {"Labels", kLabelOwner});
    if ((!owner.empty() && its != owner) || owners.count(its) != 0 || !check_network(settings, its, network))
      continue;
    if (text_at(network, {"Name"}) != network_name(settings.install, its)) continue;
    auto removed =
        engine.remove("/networks/" + percent_encode(text_at(network, {"Id"})), "remove network", call);
    // An operator may have put a container of his own into it: then it stays.
    if (!removed && removed.error().cause != Cause::denied) return removed;
  }
  return {};
}

Outcome<void> each_container(Engine& engine, const Settings& settings, const std::string& owner,
                             const std::function<void(const json&)>& take, const Call& call) {
  return engine.list_each(
      "/containers/json?all=1&" + label_filter(owned_label(settings, owner)), "list containers",
      [&](json&& element) {
        // Asked for and looked at: not every engine joins two labels by "and".
        const json& labels = at(element, {"Labels"});
        if (text_at(labels, {kLabelInstall}) != settings.install) return;
        if (owner.empty() || text_at(labels, {kLabelOwner}) == owner) take(element);
      },
      call);
}

}  // namespace envgate::backends::docker
