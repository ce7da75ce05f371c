// What we ask the engine to make, as the JSON of its API (1.40 and later): the one place that says what a
// container may and may not. README.md has the table with the reasons. Pure.
#pragma once

#include <string>
#include <vector>

#include "backends/docker/json.hpp"
#include "backends/docker/settings.hpp"
#include "backends/spec.hpp"

namespace envgate::backends::docker {

// What `ensure` found out before.
struct Resolved {
  std::string image_id;            // what is run: exactly what was looked at
  std::string image_digest;        // what is said of it
  std::vector<std::string> binds;  // canonical, by the index of the mount; "" for a volume
  std::vector<std::string> gpus;
};

json labels_of(const Settings& settings, const EnvId& environment);
json container_body(const Settings& settings, const Wanted& wanted, const Resolved& resolved);
json volume_body(const Settings& settings, const EnvId& environment, const std::string& volume);
json network_body(const Settings& settings, const std::string& owner);

}  // namespace envgate::backends::docker
