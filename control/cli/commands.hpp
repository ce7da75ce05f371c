// Every command of envctl, with the headings of its help: the one table that parsing, help and completion go
// by. Thread: any.
#pragma once

#include "control/cli/arguments.hpp"

namespace envgate::cli {

const std::vector<Command>& all_commands();

}  // namespace envgate::cli
