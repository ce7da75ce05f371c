// `envctl session verify|replay|export`: of files, for which no server is asked, or of records that the
// gateway has, by their ids. Thread: main's.
#pragma once

#include "control/cli/arguments.hpp"

namespace envgate::cli {

std::span<const Command> session_commands();

}  // namespace envgate::cli
