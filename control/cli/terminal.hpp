// What a stream shows: text for people with or without colour, and questions to whoever types. Thread:
// main's.
#pragma once

#include <cstdio>
#include <string>
#include <string_view>

#include "control/cli/exit_code.hpp"

namespace envgate::cli {

void print(std::FILE* to, std::string_view text);
// "envctl: message" on standard error; returns `code`.
int complain(std::string_view message, ExitCode code);

// A terminal that can do more than append: TERM is set and not "dumb".
bool is_terminal(std::FILE* stream);
// no-color.org: NO_COLOR that is not empty says no.
bool wants_colour(std::FILE* stream);
unsigned columns_of(std::FILE* stream);  // 80 where it is not known

// Asks on standard error and reads a line of standard input, without its newline. Empty at its end.
std::string ask_person(std::string_view question);

}  // namespace envgate::cli
