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

// Each name takes a value in all commands that have it, or in none: it is read before its command is known.
struct Option {
  std::string_view name;   // "--socket"
  char letter = 0;         // 'o' for -o
  std::string_view value;  // what its value is called, "PATH", or "a|b|c"; empty: it takes none;
                           // "[SECONDS]": it may be left out, and is given as --wait=10 alone
  std::string_view help;
  bool repeats = false;  // may be given more than once

  bool may_lack_value() const { return value.empty() || value.starts_with('['); }
};

struct Command {
  std::string_view path;            // "gateway status"
  std::string_view arguments;       // as in the help: "KEY VALUE", "[KEY]", "ID..."
  unsigned least = 0, most = 0;     // words
  std::span<const Option> options;  // its own, beside --help
  std::string_view summary;         // a line without a full stop
  std::string_view details;         // more for its own --help, ended
  int (*run)(const Invocation&);    // null: a heading for the commands below `path`
};

constexpr Command heading(std::string_view path, std::string_view summary) {
  return {path, "", 0, 0, {}, summary, "", nullptr};
}

struct Invocation {
  const Command* command = nullptr;  // null: help or version was asked for
  std::vector<std::string> words;    // the command's arguments
  // "--output" -> {"json"}; {""} where there is no value.
  std::map<std::string, std::vector<std::string>, std::less<>> options;
  std::string help;  // text to print instead of running

  bool has(std::string_view option) const { return options.find(option) != options.end(); }
  std::string value(std::string_view option, std::string_view fallback = "") const;  // the last one given
  std::vector<std::string> values(std::string_view option) const;                    // in their order
};

// Errors: misuse; the message names what is wrong and ends with a hint.
Result<Invocation> parse(std::span<const Command> commands, const std::vector<std::string>& arguments);

// `path` is a command, a group of them ("gateway"), or empty for the program.
std::string help_for(std::span<const Command> commands, std::string_view path);

// Of any command: by its name, its letter ("-o"), or --help itself. Null: there is none.
const Option* find_option(std::span<const Command> commands, std::string_view written);
// The command that the words begin with; `used` says how many of them are its name. Null: they name none, and
// `used` is as far as they got.
const Command* find_command(std::span<const Command> commands, std::span<const std::string> words,
                            std::size_t& used);
// What may come after `path`, each once, in the table's order.
std::vector<std::string_view> members(std::span<const Command> commands, std::string_view path);

}  // namespace envgate::cli
