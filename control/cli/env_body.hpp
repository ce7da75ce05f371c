// The body of POST /api/environments, of a file and the options over it. Thread: main's.
#pragma once

#include "control/cli/control_client.hpp"

namespace envgate::cli {

// `call.words` is [NAME]. Errors: misuse, or a file that cannot be read. What control alone knows (whether an
// image, a mode or a machine is good) it says itself. The options are env_create.cpp's.
Asked<Json> environment_body(const Invocation& call);

}  // namespace envgate::cli
