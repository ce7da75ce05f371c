// `envctl token ...` and `envctl audit ...`: who may, and who did. Thread: main's.
#pragma once

#include "control/cli/arguments.hpp"

namespace envgate::cli {

std::span<const Command> admin_commands();

}  // namespace envgate::cli
