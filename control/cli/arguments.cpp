#include "control/cli/arguments.hpp"

#include <algorithm>

namespace envgate::cli {
namespace {

constexpr std::string_view kProgram = "envctl";
constexpr std::size_t kHelpColumn = 28;  // where an option's explanation begins
constexpr Option kHelp{"--help", 'h', "", "say what there is, and exit"};

Failure misuse(const std::string& what, std::string_view path) {
  std::string hint(kProgram);
  if (!path.empty()) hint.append(" ").append(path);
  return fail(what + "; see " + hint + " --help");
}

bool is_below(const Command& command, std::string_view path) {
  return command.run && command.path.size() > path.size() && command.path.starts_with(path) &&
         command.path[path.size()] == ' ';
}

bool is_group(std::span<const Command> commands, std::string_view path) {
  return std::any_of(commands.begin(), commands.end(), [&](const Command& c) { return is_below(c, path); });
}

const Command* named(std::span<const Command> commands, std::string_view path) {
  for (const Command& command : commands)
    if (command.run && command.path == path) return &command;
  return nullptr;
}

// "status, routes, ..."
std::string members_text(std::span<const Command> commands, std::string_view path) {
  std::string out;
  for (const std::string_view member : members(commands, path))
    out.append(out.empty() ? "" : ", ").append(member);
  return out;
}

// An option as it was written, before it is known which command it belongs to.
struct Written {
  std::string name;  // "--socket" or "-o"
  std::string value;
  bool has_value = false;
};

const Option* find_option(std::span<const Option> options, std::string_view written) {
  for (const Option& option : options)
    if (written == option.name ||
        (option.letter && written.size() == 2 && written[0] == '-' && written[1] == option.letter))
      return &option;
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
      const Option* const option = cli::find_option(commands, written.name);
      if (!option) return misuse("unknown option '" + written.name + "'", "");
      if (option->value.empty() && written.has_value)
        return misuse("option '" + written.name + "' takes no value", "");
      if (!option->may_lack_value() && !written.has_value) {
        if (++i == arguments.size())
          return misuse("option '" + written.name + "' needs a value: " + std::string(option->value), "");
        written.value = arguments[i];
      }
      out.options.push_back(std::move(written));
    }
  }
  return out;
}

Result<void> take_options(const Command& command, const std::vector<Written>& written, Invocation& out) {
  for (const Written& one : written) {
    const Option* const option = find_option(command.options, one.name);
    if (!option)
      return misuse("option '" + one.name + "' does not belong to " + std::string(command.path),
                    command.path);
    std::vector<std::string>& values = out.options[std::string(option->name)];
    if (!values.empty() && !option->repeats)
      return misuse("option '" + one.name + "' is given twice", command.path);
    values.push_back(one.value);
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
  const bool may_lack = option.value.starts_with('[');
  if (may_lack)
    left.append("[=").append(option.value.substr(1));
  else if (!option.value.empty())
    left.append(" ").append(option.value);
  // A long one has a line of its own.
  if (left.size() + 2 > kHelpColumn) out.append(left).append("\n"), left.clear();
  out.append(column(left, kHelpColumn)).append(option.help).append(option.repeats ? "; may repeat\n" : "\n");
}

std::string help_for_command(const Command& command) {
  std::string out = "Usage: " + std::string(kProgram) + " " + std::string(command.path);
  if (!command.arguments.empty()) out.append(" ").append(command.arguments);
  out.append(" [OPTION]...\n\n").append(command.summary).append(".\n").append(command.details).append("\n");
  for (const Option& option : command.options) append_option(out, option);
  append_option(out, kHelp);
  return out;
}

}  // namespace

std::string Invocation::value(std::string_view option, std::string_view fallback) const {
  const auto found = options.find(option);
  return found == options.end() ? std::string(fallback) : found->second.back();
}

std::vector<std::string> Invocation::values(std::string_view option) const {
  const auto found = options.find(option);
  return found == options.end() ? std::vector<std::string>() : found->second;
}

const Option* find_option(std::span<const Command> commands, std::string_view written) {
  for (const Command& command : commands)
    if (const Option* const found = find_option(command.options, written)) return found;
  return find_option(std::span<const Option>(), written);
}

const Command* find_command(std::span<const Command> commands, std::span<const std::string> words,
                            std::size_t& used) {
  std::string path;
  for (used = 0; used < words.size(); ++used) {
    const std::string longer = path.empty() ? words[used] : path + " " + words[used];
    const Command* const command = named(commands, longer);
    if (!command && !is_group(commands, longer)) return nullptr;
    path = longer;
    if (!command) continue;
    ++used;
    return command;
  }
  return nullptr;
}

std::vector<std::string_view> members(std::span<const Command> commands, std::string_view path) {
  std::vector<std::string_view> out;
  for (const Command& command : commands) {
    if (!command.run || (!path.empty() && !is_below(command, path))) continue;
    std::string_view rest = command.path.substr(path.empty() ? 0 : path.size() + 1);
    rest = rest.substr(0, rest.find(' '));
    if (std::find(out.begin(), out.end(), rest) == out.end()) out.push_back(rest);
  }
  return out;
}

Result<Invocation> parse(std::span<const Command> commands, const std::vector<std::string>& arguments) {
  auto parts = split(commands, arguments);
  if (!parts) return tl::unexpected(parts.error());
  Invocation out;
  std::size_t used = 0;
  const Command* const command = find_command(commands, parts->words, used);
  std::string path;
  for (std::size_t i = 0; i < used; ++i) path.append(i == 0 ? "" : " ").append(parts->words[i]);
  parts->words.erase(parts->words.begin(), parts->words.begin() + static_cast<std::ptrdiff_t>(used));
  const auto asks_help = [](const Written& w) { return w.name == "--help" || w.name == "-h"; };
  const bool help = std::any_of(parts->options.begin(), parts->options.end(), asks_help);
  if (!command && !parts->words.empty())
    return misuse("there is no command '" + (path.empty() ? "" : path + " ") + parts->words.front() +
                      "'; there are: " + members_text(commands, path),
                  path);
  if (help) {
    out.help = help_for(commands, path);
    return out;
  }
  if (!command) return misuse("a command is needed: " + members_text(commands, path), path);
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
  if (const Command* const command = named(commands, path)) return help_for_command(*command);
  std::string out = "Usage: " + std::string(kProgram);
  if (!path.empty()) out.append(" ").append(path);
  out.append(" COMMAND [ARGUMENT]... [OPTION]...\n");
  const auto belongs = [&](const Command& c) {
    return path.empty() || c.path == path || c.path.starts_with(std::string(path) + " ");
  };
  const auto left_of = [&](const Command& c) {
    std::string left = "  " + std::string(path.empty() ? c.path : c.path.substr(path.size() + 1));
    return c.arguments.empty() ? left : left.append(" ").append(c.arguments);
  };
  std::size_t width = 0;
  for (const Command& command : commands)
    if (command.run && belongs(command)) width = std::max(width, left_of(command).size() + 2);
  for (const Command& command : commands) {
    if (!belongs(command)) continue;
    if (!command.run) {
      out.append("\n").append(command.summary).append(":\n");
    } else {
      if (out.ends_with("[OPTION]...\n")) out.append("\n");
      out.append(column(left_of(command), width)).append(command.summary).append("\n");
    }
  }
  return out +
         "\nEach has its own --help. Exit status: 0 done, 1 refused or failed (also: nobody answers there), "
         "2 misuse,\n3 not found, 4 conflict (or a name that means several), 5 --wait came to its end "
         "first.\n";
}

}  // namespace envgate::cli
