// Which environment a word of the command line means: an id, or a name that one live environment has.
// Thread: main's.
#pragma once

#include "control/cli/control_client.hpp"

namespace envgate::cli {

// Errors: kNotFound; kConflict where several have the name, with their ids.
Asked<Json> find_environment(const ControlClient& client, const std::string& id_or_name);
Asked<std::string> environment_id(const ControlClient& client, const std::string& id_or_name);

// Among the environments of that name: the live one, or why there is not one.
Asked<Json> only_one(const Json& environments, const std::string& name);

}  // namespace envgate::cli
