// The command line: words that name a command and its arguments, and options, which may stand anywhere before
// "--". A command says what it takes (Command); everything else is misuse, told with a hint at the right
// --help. Values; thread: main's.
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace envgate::cli {

struct Invocation;

struct Option {
  std::string_view name;   // "--socket"
  char letter = 0;         // 'o' for -o
  std::string_view value;  // what its value is called, "PATH"; empty: it takes none
  std::string_view help;
};

struct Command {
  std::string_view path;            // "gateway status"
  std::string_view arguments;       // as in the help: "KEY VALUE", "[KEY]", "ID..."
  unsigned least = 0, most = 0;     // words
  std::span<const Option> options;  // its own, beside --help
  std::string_view summary;         // a line without a full stop
  std::string_view details;         // more for its own --help, ended
  int (*run)(const Invocation&);
};

struct Invocation {
  const Command* command = nullptr;  // null: help or version was asked for
  std::vector<std::string> words;    // the command's arguments
  std::map<std::string, std::string, std::less<>>
      options;       // "--output" -> "json"; "" where there is no value
  std::string help;  // text to print instead of running

  bool has(std::string_view option) const { return options.find(option) != options.end(); }
  std::string value(std::string_view option, std::string_view fallback = "") const;
};

// Errors: misuse; the message names what is wrong and ends with a hint.
Result<Invocation> parse(std::span<const Command> commands, const std::vector<std::string>& arguments);

// `path` is a command, a group of them ("gateway"), or empty for the program.
std::string help_for(std::span<const Command> commands, std::string_view path);

}  // namespace envgate::cli
