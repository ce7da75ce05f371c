// `envctl machine ...`, the pool of physical machines, and `envctl node ...`, the Docker engines. Thread:
// main's.
#pragma once

#include "control/cli/arguments.hpp"

namespace envgate::cli {

std::span<const Command> machine_commands();
std::span<const Command> node_commands();

}  // namespace envgate::cli
