// What was probably typed at a shell's prompt, guessed from what a terminal showed: lines that begin like a
// prompt, and what stands behind it. Since what is typed is not recorded unless asked for, this is all there
// is; README.md says what it misses and what it takes for a command wrongly. A help for reading, no evidence.
// Thread: one.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "record/plain_text.hpp"
#include "record/terminal_filter.hpp"

namespace envgate::record {

struct GuessedCommand {
  double seconds = 0;   // since the record began: when the line was ended
  std::string prompt;   // "root@gpu:~#"
  std::string command;  // never empty

  bool operator==(const GuessedCommand&) const = default;
};

class CommandGuess {
 public:
  // The output of one event, in order. Commands whose line it ends.
  std::vector<GuessedCommand> take(double seconds, std::string_view output);

 private:
  PlainText text_;
  TerminalFilter screen_;  // knows whether a program draws the whole screen
};

// Of one line without its newline: where its prompt ends and the command begins; npos where it has no prompt.
std::size_t prompt_length(std::string_view line);

}  // namespace envgate::record
