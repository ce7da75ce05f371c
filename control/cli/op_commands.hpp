// `envctl op ...`: what was asked for, how far it is, and how it ended. Thread: main's.
#pragma once

#include "control/cli/arguments.hpp"

namespace envgate::cli {

std::span<const Command> op_commands();

}  // namespace envgate::cli
