// What an environment has beside its container: its named volumes, and its owner's network, which all
// environments of one owner share and nobody else reaches. Thread: any, but for the network: its making and
// its sweep are under the backend's locks.
#pragma once

#include "backends/docker/engine.hpp"
#include "backends/docker/settings.hpp"

namespace envgate::backends::docker {

// A volume or network that has our name and not our labels is a conflict.
Outcome<void> ensure_volumes(Engine& engine, const Settings& settings, const Wanted& wanted,
                             const Call& call);
Outcome<void> remove_volumes(Engine& engine, const Settings& settings, const EnvId& environment,
                             const Call& call);
// Its id; nothing where there is none, or two made at once, which `ensure_network` puts right.
Outcome<std::optional<std::string>> find_network(Engine& engine, const Settings& settings,
                                                 const std::string& owner, const Call& call);
// Its id. Requires: nobody else here makes one.
Outcome<std::string> ensure_network(Engine& engine, const Settings& settings, const std::string& owner,
                                    const Call& call);
// For a stopped container whose network was removed and made again: it still knows the old one by its id.
Outcome<void> rejoin_network(Engine& engine, const Settings& settings, const std::string& owner,
                             const std::string& container, const Call& call);
// Removes our networks of which no container of ours has the owner; `owner`: looks at his alone, empty: at
// all.
Outcome<void> sweep_networks(Engine& engine, const Settings& settings, const std::string& owner,
                             const Call& call);
// GET /containers/json of this install, stopped ones too; `owner`: his alone, empty: everybody's.
Outcome<void> each_container(Engine& engine, const Settings& settings, const std::string& owner,
                             const std::function<void(const json&)>& take, const Call& call);

}  // namespace envgate::backends::docker
