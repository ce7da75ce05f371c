#include "record/command_guess.hpp"

#include <algorithm>

namespace envgate::record {
namespace {

constexpr std::size_t kLongestPrompt = 160;  // bytes
constexpr std::size_t kLongestCommand = 8 * 1024;
constexpr std::string_view kSpaces = " \t";

bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
         c == '-';
}

// "(venv) [root@gpu ~]" and "root@gpu:~/a" are what comes before a '$'; "Total cost: 5" is not.
bool looks_like_prompt(std::string_view before) {
  while (before.starts_with('(')) {  // virtual environments
    const std::size_t end = before.find(')');
    if (end == before.npos) return false;
    before.remove_prefix(std::min(before.size(), before.find_first_not_of(' ', end + 1)));
  }
  if (before.empty()) return true;
  const std::size_t at = before.find('@');
  if (at != before.npos && at > 0 && at + 1 < before.size()) {
    const std::size_t name = before.front() == '[' ? 1 : 0;
    return at > name && std::all_of(before.begin() + static_cast<std::ptrdiff_t>(name),
                                    before.begin() + static_cast<std::ptrdiff_t>(at), is_word);
  }
  // "bash-5.2", "sh-5.2", "host:/path", "~/dir": one word, or a shell's own name with its version.
  if (before.find_first_of(kSpaces) != before.npos) return false;
  return before.starts_with("~") || before.starts_with("/") || before.find(":/") != before.npos ||
         before.find(":~") != before.npos || before.starts_with("bash-") || before.starts_with("sh-") ||
         before.starts_with("zsh-");
}

// A sign that ends a prompt, and how many bytes it is long; else 0.
std::size_t sign_at(std::string_view line, std::size_t at) {
  const char c = line[at];
  if (c == '$' || c == '#' || c == '%') return 1;
  const std::string_view rest = line.substr(at);
  for (const std::string_view arrow : {"\xe2\x9d\xaf", "\xe2\x9e\x9c", "\xce\xbb"})  // U+276F, U+279C, U+03BB
    if (rest.starts_with(arrow)) return arrow.size();
  return 0;
}

}  // namespace

std::size_t prompt_length(std::string_view line) {
  const std::size_t most = std::min(line.size(), kLongestPrompt);
  for (std::size_t at = 0; at < most; ++at) {
    const std::size_t sign = sign_at(line, at);
    if (sign == 0) continue;
    const std::size_t behind = at + sign;
    // "$HOME" in a line of output is no prompt, and neither is "100% done": nothing of a prompt is before it.
    if (behind < line.size() && line[behind] != ' ') continue;
    std::string_view before = line.substr(0, at);
    while (before.ends_with(' ')) before.remove_suffix(1);
    return looks_like_prompt(before) ? behind : line.npos;
  }
  return line.npos;
}

std::vector<GuessedCommand> CommandGuess::take(double seconds, std::string_view output) {
  const bool before = screen_.on_alternate_screen();
  screen_.take(output);
  const std::string lines = text_.take(output);
  std::vector<GuessedCommand> out;
  // An editor or a pager draws lines that look like anything.
  if (before && screen_.on_alternate_screen()) return out;
  for (std::string_view rest = lines; !rest.empty();) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    const std::size_t length = prompt_length(line);
    if (length == line.npos) continue;
    std::string_view command = line.substr(length);
    command.remove_prefix(std::min(command.size(), command.find_first_not_of(kSpaces)));
    command = command.substr(0, std::min(command.find_last_not_of(kSpaces) + 1, kLongestCommand));
    if (!command.empty()) out.push_back({seconds, std::string(line.substr(0, length)), std::string(command)});
  }
  return out;
}

}  // namespace envgate::record
