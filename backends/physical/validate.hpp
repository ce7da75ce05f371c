// What a physical machine can be let as, and why not, by field path. Thread: any; asks nobody.
#pragma once

#include <vector>

#include "backends/backend.hpp"
#include "backends/physical/settings.hpp"

namespace envgate::backends::physical {

std::vector<FieldError> validate(const Settings& settings, const Wanted& wanted);

}  // namespace envgate::backends::physical
