// What a Docker engine of ours can make, and why not, by field path. Thread: any; asks the file system for
// binds, and nobody else.
#pragma once

#include <vector>

#include "backends/backend.hpp"
#include "backends/docker/settings.hpp"

namespace envgate::backends::docker {

std::vector<FieldError> validate(const Settings& settings, const Wanted& wanted);

}  // namespace envgate::backends::docker
