// What every backend asks of a login before it sets it: one line each, bounded, in a running environment.
// Thread: any; asks nobody.
#pragma once

#include <vector>

#include "backends/backend.hpp"

namespace envgate::backends {

// Nothing where no login is wanted.
std::vector<FieldError> check_login(const Wanted& wanted);

}  // namespace envgate::backends
