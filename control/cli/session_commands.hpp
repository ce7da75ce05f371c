// `envctl session ...`: what can be done with the records of sessions. Works on files; no server is asked.
// Thread: main's.
#pragma once

#include "control/cli/arguments.hpp"

namespace envgate::cli {

std::span<const Command> session_commands();

}  // namespace envgate::cli
