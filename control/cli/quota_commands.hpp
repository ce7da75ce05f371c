// `envctl quota ...`: what an owner may have, and has. Thread: main's.
#pragma once

#include "control/cli/arguments.hpp"

namespace envgate::cli {

std::span<const Command> quota_commands();

}  // namespace envgate::cli
