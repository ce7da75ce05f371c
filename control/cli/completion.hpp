// What a shell may offer at the end of a line that begins with envctl. All of it comes out of the table of
// commands while the shell asks, so that nothing can drift; names of things, from the servers. Thread:
// main's.
#pragma once

#include <functional>

#include "control/cli/arguments.hpp"

namespace envgate::cli {

// The names of what an argument called `kind` ("ENV") of the command `path` may be.
using NamesOf = std::function<std::vector<std::string>(std::string_view path, std::string_view kind)>;

inline constexpr std::string_view kFiles = ":files";  // the only candidate where the shell is to offer files

// `words` is the line without "envctl"; the last is what is being typed, and may be empty.
std::vector<std::string> candidates(std::span<const Command> commands, const std::vector<std::string>& words,
                                    const NamesOf& names_of);

std::span<const Command> completion_commands();

}  // namespace envgate::cli
