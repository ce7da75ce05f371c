#include "control/cli/record_commands.hpp"

#include <algorithm>

#include "control/cli/control_command.hpp"
#include "control/cli/record_typed.hpp"
#include "control/cli/record_watch.hpp"
#include "control/cli/records_client.hpp"
#include "control/cli/table.hpp"

namespace envgate::cli {
namespace {

constexpr Option kEnv{"--env", 'e', "ENV", "only of this environment"};
constexpr Option kUser{"--user", 0, "USER", "only of who logged in as USER"};
constexpr Option kOwner{"--owner", 0, "OWNER", "only of environments of this owner"};
constexpr Option kSince{"--since", 0, "TIME",
                        "only those begun since TIME (2026-01-31T23:59:00Z, or 2h: ago)"};
constexpr Option kUntil{"--until", 0, "TIME", "only those begun before TIME"};
constexpr Option kCommands{"--commands", 0, "", "also what was probably typed, guessed from what was shown"};
constexpr Option kTerminal{"--terminal", 0, "N", "the terminal of this channel (default: the first)"};
constexpr Option kRaw{"--raw", 0, "", "pass all escape sequences to the terminal, harmful ones too"};
constexpr Option kLsOptions[] = {kEnv, kUser, kOwner, kSince, kUntil, kLimit, kOutput, kAdminSocket};
constexpr Option kShowOptions[] = {kCommands, kOutput, kAdminSocket};
constexpr Option kWatchOptions[] = {kTerminal, kRaw, kAdminSocket};
constexpr Option kSocketOptions[] = {kAdminSocket};

constexpr Column kColumns[] = {
    {"ID", "/id"},
    {"ENVIRONMENT", "/environment"},
    {"USER", "/user"},
    {"OWNER", "/owner"},
    {"SOURCE", "/source"},
    {"TARGET", "/target", As::text, true},
    {"METHOD", "/method", As::text, true},
    {"STARTED", "/started", As::age},
    {"ENDED", "/reason"},
    {"SIZE", "/bytes", As::bytes},
    {"INCOMPLETE", "/incomplete", As::text, true},
};
constexpr ListShape kList{"records", kColumns, "no records"};
constexpr Column kLines[] = {
    {"id", "/record/id"},
    {"environment", "/record/environment"},
    {"user", "/record/user"},
    {"owner", "/record/owner"},
    {"source", "/record/source"},
    {"target", "/record/target"},
    {"method", "/record/method"},
    {"started", "/record/started"},
    {"ended", "/record/ended"},
    {"reason", "/record/reason"},
    {"incomplete", "/record/incomplete"},
    {"to target", "/record/bytes_to_target", As::bytes},
    {"to client", "/record/bytes_to_client", As::bytes},
    {"key", "/key"},
};
constexpr Column kFiles[] = {{"FILE", "/name"}, {"SIZE", "/bytes", As::bytes}, {"RECORD", "/verdict"}};
constexpr Column kTyped[] = {
    {"FILE", "/file"}, {"SECONDS", "/seconds"}, {"PROMPT", "/prompt"}, {"COMMAND", "/command"}};

// Nothing is asked before it is known how to print.
template <Asked<void> (*Run)(const Invocation&, const RecordsClient&)>
int with_records(const Invocation& call) {
  Asked<void> done;
  if (const auto format = format_of(call); !format)
    done = tl::unexpected(format.error());
  else
    done = Run(call, RecordsClient(call));
  return done ? int{kOk} : complain(done.error().message, done.error().code);
}

Asked<void> run_ls(const Invocation& call, const RecordsClient& client) {
  const auto limit = whole_number(call, "--limit", SIZE_MAX);
  if (!limit) return tl::unexpected(limit.error());
  const auto list =
      client.list(filters_of(call, {"--env", "--user", "--owner", "--since", "--until"}), *limit);
  return list ? print_list(call, *list, kList) : tl::unexpected(list.error());
}

Asked<void> run_show(const Invocation& call, const RecordsClient& client) {
  auto record = client.get("/api/sessions/" + encode_segment(call.words[0]));
  if (!record) return tl::unexpected(record.error());
  if (call.has("--commands")) {
    auto typed = typed_commands(client, call.words[0], *record);
    if (!typed) return tl::unexpected(typed.error());
    (*record)["commands"] = std::move(*typed);
  }
  auto printed = print_entry(call, *record, kLines);
  const Format format = *format_of(call);
  if (format == Format::json || format == Format::yaml) return printed;
  print(stdout,
        "\n" + list_text(*record, {"files", kFiles, "no files: nothing was done in it"}, format, false));
  if (call.has("--commands"))
    print(stdout, "\n" + list_text(*record, {"commands", kTyped, "no command is seen"}, format, false));
  return printed;
}

Asked<void> run_watch(const Invocation& call, const RecordsClient& client) {
  const auto channel = whole_number(call, "--terminal", 0);
  if (!channel) return tl::unexpected(channel.error());
  return watch(client.socket(), call.words[0], {*channel, call.has("--raw")});
}

// All are tried; the worst of what went wrong is how it ends.
template <typename Each>
Asked<void> for_each_id(const Invocation& call, const Each& each) {
  Asked<void> worst;
  for (const std::string& id : call.words) {
    auto done = each(id);
    if (done) continue;
    if (worst) {
      worst = std::move(done);
      continue;
    }
    worst.error().message += done.error().message;
    worst.error().code = std::max(worst.error().code, done.error().code);
  }
  return worst;
}

Asked<void> run_kill(const Invocation& call, const RecordsClient& client) {
  return for_each_id(call, [&](const std::string& id) -> Asked<void> {
    const auto answer = client.remove("/sessions/" + encode_segment(id));
    if (!answer) return tl::unexpected(answer.error());
    print(stdout, "session " + printable(id) + " ended\n");
    return {};
  });
}

Asked<void> run_rm(const Invocation& call, const RecordsClient& client) {
  return for_each_id(call, [&](const std::string& id) -> Asked<void> {
    const auto answer = client.remove("/api/sessions/" + encode_segment(id));
    if (!answer) return tl::unexpected(answer.error());
    print(stdout, "record " + printable(id) + " removed\n");
    return {};
  });
}

constexpr unsigned kMany = 10'000;

constexpr Command kTable[] = {
    {"session ls", "", 0, 0, kLsOptions, "List recorded sessions, the newest first",
     "\nENDED is why: \"cut off\" after a crash of the gateway, empty while it is open.\n",
     with_records<run_ls>},
    {"session show", "SESSION", 1, 1, kShowOptions,
     "Show a recorded session and whether its files are as written",
     "\n--commands guesses from what terminals showed; record/README.md says what it misses. Commands "
     "without "
     "a\nterminal are certain.\n",
     with_records<run_show>},
    {"session watch", "SESSION", 1, 1, kWatchOptions, "Show a terminal of an open session as it goes on",
     "\nFirst what is on its screen, then what comes; end with Ctrl-C. It cannot type. A watcher that is too "
     "slow\nloses output, and is told how much.\n",
     with_records<run_watch>},
    {"session kill", "SESSION...", 1, kMany, kSocketOptions, "End open sessions, by the ids of their records",
     "", with_records<run_kill>},
    {"session rm", "SESSION...", 1, kMany, kSocketOptions, "Remove records of sessions that have ended", "",
     with_records<run_rm>},
};

}  // namespace

std::span<const Command> record_commands() { return kTable; }

}  // namespace envgate::cli
