// `envctl gateway ...` and `envctl config explain`: each asks the gateway's admin socket once (a listing,
// page by page) and prints the answer. Thread: main's.
#pragma once

#include "control/cli/arguments.hpp"

namespace envgate::cli {

std::span<const Command> gateway_commands();

}  // namespace envgate::cli
