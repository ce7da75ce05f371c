// `envctl session ls|show|watch|kill|rm`: recorded sessions, by the gateway's admin socket. Thread: main's.
#pragma once

#include "control/cli/arguments.hpp"

namespace envgate::cli {

std::span<const Command> record_commands();

}  // namespace envgate::cli
