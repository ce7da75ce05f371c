// `envctl env ...`: one file for creating, one for the rest. Thread: main's.
#pragma once

#include "control/cli/arguments.hpp"

namespace envgate::cli {

Command env_create_command();
std::span<const Command> env_commands();  // the others

}  // namespace envgate::cli
