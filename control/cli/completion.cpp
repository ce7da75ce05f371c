#include "control/cli/completion.hpp"

#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "control/cli/commands.hpp"
#include "control/cli/control_client.hpp"
#include "control/cli/gateway_commands.hpp"

namespace envgate::cli {
namespace {

constexpr std::chrono::milliseconds kPatience{2000};  // somebody waits with a finger on the tab key
constexpr std::size_t kMost = 1000;

constexpr const char* kBash = R"sh(# envctl's completion for bash: source <(envctl completion bash)
_envctl() {
  local IFS=$'\n' word=${COMP_WORDS[COMP_CWORD]}
  COMPREPLY=($(envctl completion words -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
  if [[ ${COMPREPLY[0]-} == :files ]]; then
    compopt -o filenames 2>/dev/null
    COMPREPLY=($(compgen -f -- "$word"))
  fi
}
complete -F _envctl envctl
)sh";
// clang-format off (it takes this one for C++)
constexpr const char* kZsh = R"sh(#compdef envctl
# envctl's completion for zsh: source <(envctl completion zsh), or as the file _envctl in a folder of $fpath
_envctl() {
  local -a found
  found=("${(@f)$(envctl completion words -- "${(@)words[2,CURRENT]}" 2>/dev/null)}")
  if [[ "${found[1]}" == :files ]]; then
    _files
  elif [[ -n "${found[1]}" ]]; then
    compadd -- "${found[@]}"
  fi
}
if (( ${funcstack[(I)_envctl]} )); then _envctl "$@"; else compdef _envctl envctl; fi
)sh";
// clang-format on
constexpr const char* kFish = R"sh(# envctl's completion for fish: envctl completion fish | source
function __envctl_complete
    set -l current (commandline -ct)
    set -l words (commandline -opc) "$current"
    set -l found (envctl completion words -- $words[2..-1] 2>/dev/null)
    if test "$found[1]" = ":files"
        __fish_complete_path "$current"
    else
        printf '%s\n' $found
    end
end
complete -c envctl -f -a '(__envctl_complete)'
)sh";

// ---- what the table says ----

struct Line {
  std::vector<std::string> words;       // commands and arguments before the one being typed
  std::vector<std::string> options;     // names of those given
  const Option* wants_value = nullptr;  // the last of them, where the word being typed is its value
  bool only_words = false;              // behind "--"
};

Line read_line(std::span<const Command> commands, std::span<const std::string> words) {
  Line line;
  for (const std::string& word : words) {
    if (std::exchange(line.wants_value, nullptr)) continue;
    if (line.only_words || word.size() < 2 || word[0] != '-') {
      line.words.push_back(word);
    } else if (word == "--") {
      line.only_words = true;
    } else if (const Option* const option = find_option(commands, word)) {
      line.options.emplace_back(option->name);
      if (!option->may_lack_value()) line.wants_value = option;
    }
  }
  return line;
}

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const std::string_view part = text.substr(0, text.find(separator));
    if (!part.empty()) parts.emplace_back(part);
    text.remove_prefix(std::min(text.size(), part.size() + 1));
  }
  return parts;
}

std::vector<std::string> values_of(std::string_view path, std::string_view kind, const NamesOf& names_of) {
  if (kind.find('|') != kind.npos && kind.find('[') == kind.npos) return split(kind, '|');
  if (kind == "FILE" || kind == "PATH") return {std::string(kFiles)};
  std::vector<std::string> names = names_of(path, kind);
  // What the gateway has, or a file: files where it has none, or cannot be asked.
  if (names.empty() && kind == "RECORD") names.emplace_back(kFiles);
  return names;
}

// "[KEY]" and "ID..." are about a KEY and an ID.
std::string bare(std::string name) {
  std::erase_if(name, [](char c) { return c == '[' || c == ']' || c == '.'; });
  return name;
}

std::vector<std::string> arguments_of(const Command& command, std::size_t at, const NamesOf& names_of) {
  const std::vector<std::string> names = split(command.arguments, ' ');
  if (names.empty() || at >= command.most) return {};
  return values_of(command.path, bare(names[std::min(at, names.size() - 1)]), names_of);
}

std::vector<std::string> options_of(const Command& command, const Line& line) {
  std::vector<std::string> out;
  for (const Option& option : command.options)
    if (option.repeats ||
        std::find(line.options.begin(), line.options.end(), option.name) == line.options.end())
      out.emplace_back(option.name);
  out.emplace_back("--help");
  return out;
}

// ---- what the servers say ----

// Nothing that a shell could take for more than a word.
bool is_word(const std::string& text) {
  return !text.empty() && text[0] != '-' && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != 0 && std::string_view("-._@+/").find(c) != std::string_view::npos);
  });
}

struct Source {
  std::string_view kind;
  const char* target;
  const char* list;
  std::vector<const char*> members;
};

std::vector<std::string> ask(const std::string& socket, const Source& source) {
  HttpRequest request;
  request.target = source.target;
  request.patience = kPatience;
  std::vector<std::string> names;
  const auto answer = cli::request(socket, request);
  const Json json = answer && answer->status == 200 ? Json::parse(answer->body, nullptr, false) : Json();
  if (!json.is_object() || !json.contains(source.list)) return names;
  for (const Json& entry : json[source.list])
    for (const char* const member : source.members)
      if (const auto found = entry.find(member); found != entry.end() && !found->is_null())
        names.push_back(found->is_string() ? found->get<std::string>() : found->dump());
  std::erase_if(names, [](const std::string& name) { return !is_word(name); });
  if (names.size() > kMost) names.resize(kMost);
  return names;
}

std::vector<std::string> names_from(const Invocation& call, std::string_view path, std::string_view kind) {
  static const Source kGateway[] = {{"ENV", "/routes?limit=1000", "routes", {"env"}},
                                    {"ID", "/sessions?limit=1000", "sessions", {"id"}},
                                    {"KEY", "/settings", "settings", {"key"}},
                                    {"RECORD", "/api/sessions?limit=1000", "records", {"id"}},
                                    {"SESSION", "/api/sessions?limit=1000", "records", {"id"}}};
  static const Source kControl[] = {{"ENV", "/api/environments?limit=1000", "environments", {"name", "id"}},
                                    {"OPERATION", "/api/operations?limit=1000", "operations", {"id"}},
                                    {"OWNER", "/api/quotas?limit=1000", "quotas", {"owner"}},
                                    {"MACHINE", "/api/machines?limit=1000", "machines", {"name"}},
                                    {"NODE", "/api/nodes?limit=1000", "nodes", {"name"}},
                                    {"TOKEN", "/api/tokens?limit=1000", "tokens", {"id"}}};
  const bool gateway = path.starts_with("gateway ") || path.starts_with("config ") ||
                       path.starts_with("session ");
  for (const Source& source : gateway ? std::span<const Source>(kGateway) : std::span<const Source>(kControl))
    if (source.kind == kind) return ask(gateway ? gateway_socket(call) : control_socket(call), source);
  return {};
}

int run_words(const Invocation& call) {
  // The line's own --socket is asked, as the command itself would.
  Invocation socket;
  for (std::size_t i = 0; i + 1 < call.words.size(); ++i)
    if (call.words[i] == "--socket" || call.words[i] == "-s")
      socket.options["--socket"] = {call.words[i + 1]};
  const auto names_of = [&](std::string_view path, std::string_view kind) {
    return names_from(socket, path, kind);
  };
  for (const std::string& candidate : candidates(all_commands(), call.words, names_of))
    print(stdout, candidate + "\n");
  return kOk;
}

int run_bash(const Invocation&) { return print(stdout, kBash), kOk; }
int run_zsh(const Invocation&) { return print(stdout, kZsh), kOk; }
int run_fish(const Invocation&) { return print(stdout, kFish), kOk; }

constexpr Command kCommands[] = {
    {"completion bash",
     "",
     0,
     0,
     {},
     "Print completion for bash",
     "\nFor this shell: source <(envctl completion bash)\n",
     run_bash},
    {"completion zsh",
     "",
     0,
     0,
     {},
     "Print completion for zsh",
     "\nFor this shell: source <(envctl completion zsh)\n",
     run_zsh},
    {"completion fish",
     "",
     0,
     0,
     {},
     "Print completion for fish",
     "\nFor this shell: envctl completion fish | source\n",
     run_fish},
    {"completion words",
     "-- WORD...",
     1,
     10'000,
     {},
     "Print what may stand at the end of a line (for those three)",
     "",
     run_words},
};

}  // namespace

std::vector<std::string> candidates(std::span<const Command> commands, const std::vector<std::string>& words,
                                    const NamesOf& names_of) {
  if (words.empty()) return {};
  const std::string& typed = words.back();
  const Line line = read_line(commands, std::span(words).first(words.size() - 1));
  std::size_t used = 0;
  const Command* const command = find_command(commands, line.words, used);
  const std::string_view path = command ? command->path : "";
  std::vector<std::string> out;
  if (line.wants_value) {
    // Another command may have an option of that name with other values: this one's own goes first.
    const Option* const own = command ? find_option({command, 1}, line.wants_value->name) : nullptr;
    out = values_of(path, (own ? own : line.wants_value)->value, names_of);
  } else if (command && typed.starts_with('-') && !line.only_words) {
    out = options_of(*command, line);
  } else if (command) {
    out = arguments_of(*command, line.words.size() - used, names_of);
  } else if (used == line.words.size()) {
    std::string group;
    for (const std::string& word : line.words) group.append(group.empty() ? "" : " ").append(word);
    for (const std::string_view member : members(commands, group)) out.emplace_back(member);
    out.emplace_back("--help");
    if (group.empty()) out.emplace_back("--version");
  }
  if (out.size() == 1 && out[0] == kFiles) return out;
  std::erase_if(out, [&](const std::string& candidate) { return !candidate.starts_with(typed); });
  return out;
}

std::span<const Command> completion_commands() { return kCommands; }

}  // namespace envgate::cli
