#include "control/cli/arguments.hpp"

#include <algorithm>
#include <set>

namespace envgate::cli {
namespace {

constexpr std::string_view kProgram = "envctl";
constexpr Option kHelp{"--help", 'h', "", "say what there is, and exit"};

Failure misuse(const std::string& what, std::string_view path) {
  std::string hint(kProgram);
  if (!path.empty()) hint.append(" ").append(path);
  return fail(what + "; see " + hint + " --help");
}

bool is_group(std::span<const Command> commands, const std::string& path) {
  return std::any_of(commands.begin(), commands.end(),
                     [&](const Command& c) { return c.path.starts_with(path + " "); });
}

const Command* find_command(std::span<const Command> commands, std::string_view path) {
  for (const Command& command : commands)
    if (command.path == path) return &command;
  return nullptr;
}

// What may come after `path`: "status, routes, ...".
std::string members(std::span<const Command> commands, const std::string& path) {
  std::string out;
  std::set<std::string_view> seen;
  for (const Command& command : commands) {
    std::string_view rest = command.path;
    if (!path.empty()) {
      if (!rest.starts_with(path + " ")) continue;
      rest.remove_prefix(path.size() + 1);
    }
    rest = rest.substr(0, rest.find(' '));
    if (seen.insert(rest).second) out.append(out.empty() ? "" : ", ").append(rest);
  }
  return out;
}

// An option as it was written, before it is known which command it belongs to.
struct Written {
  std::string name;  // "--socket" or "-o"
  std::string value;
  bool has_value = false;
};

// Options of any command: enough to know whether the next word is a value.
const Option* find_option(std::span<const Option> options, const std::string& written) {
  for (const Option& option : options)
    if (written == option.name || (option.letter && written == std::string("-") + option.letter))
      return &option;
  return written == kHelp.name || written == "-h" ? &kHelp : nullptr;
}

const Option* find_option(std::span<const Command> commands, const std::string& written) {
  for (const Command& command : commands)
    if (const Option* const found = find_option(command.options, written)) return found;
  return written == kHelp.name || written == "-h" ? &kHelp : nullptr;
}

struct Split {
  std::vector<std::string> words;
  std::vector<Written> options;
};

Result<Split> split(std::span<const Command> commands, const std::vector<std::string>& arguments) {
  Split out;
  bool only_words = false;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string& word = arguments[i];
    if (!only_words && word == "--") {
      only_words = true;
    } else if (only_words || word.size() < 2 || word[0] != '-') {
      out.words.push_back(word);  // "-" alone is a word
    } else {
      const bool is_long = word[1] == '-';
      const auto end = is_long ? word.find('=') : std::min<std::size_t>(word.size(), 2);
      Written written{word.substr(0, end), "", end < word.size()};
      if (written.has_value) written.value = word.substr(end + (is_long ? 1 : 0));
      const Option* const option = find_option(commands, written.name);
      if (!option) return misuse("unknown option '" + written.name + "'", "");
      if (option->value.empty() && written.has_value)
        return misuse("option '" + written.name + "' takes no value", "");
      if (!option->value.empty() && !written.has_value) {
        if (++i == arguments.size())
          return misuse("option '" + written.name + "' needs a value: " + std::string(option->value), "");
        written.value = arguments[i];
      }
      out.options.push_back(std::move(written));
    }
  }
  return out;
}

// Takes the words that name a command off `words`. `path` is as far as it got.
const Command* take_command(std::span<const Command> commands, std::vector<std::string>& words,
                            std::string& path) {
  while (!words.empty()) {
    const std::string longer = path.empty() ? words.front() : path + " " + words.front();
    const Command* const command = find_command(commands, longer);
    if (!command && !is_group(commands, longer)) return nullptr;
    path = longer;
    words.erase(words.begin());
    if (command) return command;
  }
  return nullptr;
}

Result<void> take_options(const Command& command, const std::vector<Written>& written, Invocation& out) {
  for (const Written& one : written) {
    const Option* const option = find_option(command.options, one.name);
    if (!option)
      return misuse("option '" + one.name + "' does not belong to " + std::string(command.path),
                    command.path);
    if (!out.options.emplace(option->name, one.value).second)
      return misuse("option '" + one.name + "' is given twice", command.path);
  }
  return {};
}

std::string column(std::string text, std::size_t width) {
  text.resize(std::max(text.size() + 2, width), ' ');
  return text;
}

void append_option(std::string& out, const Option& option) {
  std::string left = option.letter ? std::string("  -") + option.letter + ", " : "      ";
  left.append(option.name);
  if (!option.value.empty()) left.append(" ").append(option.value);
  out.append(column(left, 28)).append(option.help).append("\n");
}

}  // namespace

std::string Invocation::value(std::string_view option, std::string_view fallback) const {
  const auto found = options.find(option);
  return found == options.end() ? std::string(fallback) : found->second;
}

Result<Invocation> parse(std::span<const Command> commands, const std::vector<std::string>& arguments) {
  auto parts = split(commands, arguments);
  if (!parts) return tl::unexpected(parts.error());
  Invocation out;
  std::string path;
  const Command* const command = take_command(commands, parts->words, path);
  const auto asks_help = [](const Written& w) { return w.name == "--help" || w.name == "-h"; };
  const bool help = std::any_of(parts->options.begin(), parts->options.end(), asks_help);
  if (!command && !parts->words.empty())
    return misuse("there is no command '" + (path.empty() ? "" : path + " ") + parts->words.front() +
                      "'; there are: " + members(commands, path),
                  path);
  if (help) {
    out.help = help_for(commands, path);
    return out;
  }
  if (!command) return misuse("a command is needed: " + members(commands, path), path);
  if (parts->words.size() < command->least || parts->words.size() > command->most) {
    const std::string wants = command->arguments.empty() ? "no argument" : std::string(command->arguments);
    return misuse(std::string(command->path) + " takes " + wants + ", and there are " +
                      std::to_string(parts->words.size()),
                  command->path);
  }
  out.command = command;
  out.words = std::move(parts->words);
  auto taken = take_options(*command, parts->options, out);
  if (!taken) return tl::unexpected(taken.error());
  return out;
}

std::string help_for(std::span<const Command> commands, std::string_view path) {
  std::string out = "Usage: ";
  out.append(kProgram);
  if (!path.empty()) out.append(" ").append(path);
  if (const Command* const command = find_command(commands, path)) {
    if (!command->arguments.empty()) out.append(" ").append(command->arguments);
    out.append(" [OPTION]...\n\n").append(command->summary).append(".\n");
    if (!command->details.empty()) out.append(command->details);
    out.append("\n");
    for (const Option& option : command->options) append_option(out, option);
    append_option(out, kHelp);
    return out;
  }
  out.append(" COMMAND [ARGUMENT]... [OPTION]...\n\n");
  std::size_t width = 0;
  const auto left_of = [&](const Command& c) {
    std::string left = "  " + std::string(path.empty() ? c.path : c.path.substr(path.size() + 1));
    return c.arguments.empty() ? left : left.append(" ").append(c.arguments);
  };
  const auto belongs = [&](const Command& c) {
    return path.empty() || c.path.starts_with(std::string(path) + " ");
  };
  for (const Command& command : commands)
    if (belongs(command)) width = std::max(width, left_of(command).size() + 2);
  for (const Command& command : commands)
    if (belongs(command)) out.append(column(left_of(command), width)).append(command.summary).append("\n");
  out.append(
      "\nEach has its own --help. Exit status: 0 well, 1 refused or failed, 2 misuse, 3 nobody could be "
      "reached.\n");
  return out;
}

}  // namespace envgate::cli
