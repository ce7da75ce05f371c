#include "backends/docker/belongings.hpp"

#include <set>

#include "backends/docker/create_body.hpp"
#include "backends/docker/names.hpp"
#include "backends/docker/observe.hpp"

namespace envgate::backends::docker {
namespace {

json install_label(const Settings& settings) { return {{std::string(kLabelInstall), settings.install}}; }

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

Outcome<std::string> ensure_network(Engine& engine, const Settings& settings, const std::string& owner,
                                    const Call& call) {
  const std::string name = network_name(settings.install, owner);
  for (int attempt = 0;; ++attempt) {
    auto found = engine.find("/networks/" + name, "look for network " + name, call);
    if (!found) return tl::unexpected(std::move(found.error()));
    if (*found) {
      auto ours = check_network(settings, owner, **found);
      if (!ours) return tl::unexpected(std::move(ours.error()));
      return text_at(**found, {"Id"});
    }
    auto made = engine.post("/networks/create", network_body(settings, owner), "make network " + name, call);
    if (made) return text_at(*made, {"Id"});
    // Another controller was first.
    if (made.error().cause != Cause::conflict || attempt > 0) return tl::unexpected(std::move(made.error()));
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

Outcome<void> sweep_networks(Engine& engine, const Settings& settings, const Call& call) {
  auto networks = engine.list("/networks?" + label_filter(install_label(settings)), "list networks", call);
  if (!networks) return tl::unexpected(std::move(networks.error()));
  auto containers = list_containers(engine, settings, call);
  if (!containers) return tl::unexpected(std::move(containers.error()));
  std::set<std::string> owners;
  for (const json& container : *containers) owners.insert(text_at(container, {"Labels", kLabelOwner}));
  for (std::size_t i = 0; networks->is_array() && i < networks->size(); ++i) {
    const json& network = (*networks)[i];
    const std::string owner = text_at(network, {"Labels", kLabelOwner});
    if (owners.count(owner) != 0 || !check_network(settings, owner, network)) continue;
    if (text_at(network, {"Name"}) != network_name(settings.install, owner)) continue;
    auto removed =
        engine.remove("/networks/" + percent_encode(text_at(network, {"Id"})), "remove network", call);
    // An operator may have put a container of his own into it: then it stays.
    if (!removed && removed.error().cause != Cause::denied) return removed;
  }
  return {};
}

Outcome<json> list_containers(Engine& engine, const Settings& settings, const Call& call) {
  auto answer =
      engine.list("/containers/json?all=1&" + label_filter(install_label(settings)), "list containers", call);
  if (!answer) return answer;
  if (!answer->is_array())
    return failure(Cause::failed, "list containers: the engine's answer is not a list");
  json ours = json::array();
  for (json& element : *answer) {
    if (text_at(element, {"Labels", kLabelInstall}) == settings.install) ours.push_back(std::move(element));
  }
  return ours;
}

}  // namespace envgate::backends::docker
