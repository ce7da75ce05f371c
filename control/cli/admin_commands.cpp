#include "control/cli/admin_commands.hpp"

#include <ctime>
#include <nlohmann/json.hpp>

#include "base/units.hpp"
#include "control/cli/control_command.hpp"
#include "control/cli/table.hpp"

namespace envgate::cli {
namespace {

constexpr Option kRole{"--role", 0, "read|gateway|operate|admin", "what it may (read if left out)"};
constexpr Option kExpires{"--expires", 0, "DURATION",
                          "how long it is good, such as 90d (for ever if left out)"};
constexpr Option kWho{"--who", 0, "WHO", "only what they did"};
constexpr Option kAction{"--action", 0, "ACTION", "only this"};
constexpr Option kObject{"--object", 0, "OBJECT", "only what was done to this"};
constexpr Option kSort{"--sort", 0, "FIELD", "created_at; with - before it, the last first"};
constexpr Option kCreateOptions[] = {kRole, kExpires, kOutput, kControlSocket, kTimeout};
constexpr Option kRmOptions[] = {kControlSocket, kTimeout};
constexpr Option kAuditOptions[] = {kWho, kAction, kObject, kSort, kLimit, kOutput, kControlSocket, kTimeout};

constexpr Column kTokenColumns[] = {
    {"ID", "/id"},
    {"NAME", "/name"},
    {"ROLE", "/role"},
    {"EXPIRES", "/expires_at"},
    {"USED", "/used_at", As::age},
    {"AGE", "/created_at", As::age},
};
constexpr ListShape kTokens{"tokens", kTokenColumns, "no tokens"};
constexpr Column kTokenLines[] = {
    {"id", "/id"}, {"name", "/name"}, {"role", "/role"}, {"expires", "/expires_at"}, {"token", "/token"}};

constexpr Column kAuditColumns[] = {
    {"NUMBER", "/seq"},
    {"AT", "/at"},
    {"WHO", "/who"},
    {"ACTION", "/action"},
    {"OBJECT", "/object"},
    {"RESULT", "/result"},
    {"BEFORE", "/before", As::text, true},
    {"AFTER", "/after", As::text, true},
    {"HASH", "/hash", As::text, true},
};
constexpr ListShape kAudit{"audit", kAuditColumns, "nothing in the audit"};
constexpr Column kVerifyLines[] = {{"whole", "/whole", As::state},
                                   {"lines", "/lines"},
                                   {"newest hash", "/newest_hash"},
                                   {"message", "/message"}};

std::string time_text(std::time_t at) {
  std::tm parts{};
  ::gmtime_r(&at, &parts);
  char text[32];
  return {text, std::strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &parts)};
}

Asked<void> run_create(const Invocation& call, const ControlClient& client) {
  Json body = {{"name", call.words[0]}, {"role", call.value("--role", "read")}};
  if (call.has("--expires")) {
    const auto duration = parse_duration(call.value("--expires"));
    if (!duration) return refuse("--expires: " + duration.error().message, kMisuse);
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(*duration).count();
    body["expires_at"] = time_text(std::time(nullptr) + seconds);
  }
  const auto token = client.change({"POST", "/api/tokens", to_json_line(body)});
  if (!token) return tl::unexpected(token.error());
  auto printed = print_entry(call, *token, kTokenLines);
  if (is_terminal(stderr)) print(stderr, "It is shown this once: keep it now.\n");
  return printed;
}

Asked<void> run_ls(const Invocation& call, const ControlClient& client) {
  return list_and_print(call, client, "/api/tokens", kTokens);
}

Asked<void> run_rm(const Invocation& call, const ControlClient& client) {
  const auto gone = client.change({"DELETE", "/api/tokens/" + encode_segment(call.words[0])});
  if (!gone) return tl::unexpected(gone.error());
  print(stdout, "token " + printable(call.words[0]) + " is good no longer\n");
  return {};
}

Asked<void> run_audit(const Invocation& call, const ControlClient& client) {
  return list_and_print(call, client,
                        "/api/audit" + filters_of(call, {"--who", "--action", "--object", "--sort"}), kAudit);
}

Asked<void> run_verify(const Invocation& call, const ControlClient& client) {
  const auto verdict = client.get("/api/audit/verify");
  if (!verdict) return tl::unexpected(verdict.error());
  auto printed = print_entry(call, *verdict, kVerifyLines);
  if (verdict->at("whole") == true) return printed;
  return refuse(
      "the audit is not whole: somebody changed it outside of envgate-control, or a disk did; "
      "keep a copy of the database as it is");
}

constexpr Command kCommands[] = {
    {"token create", "NAME", 1, 1, kCreateOptions,
     "Make a token for the API's TLS listener; it is shown once", "", with_control<run_create>},
    {"token ls", "", 0, 0, kListOptions, "List the tokens", "", with_control<run_ls>},
    {"token rm", "TOKEN", 1, 1, kRmOptions, "Take one back, by its id", "", with_control<run_rm>},
    {"audit ls", "", 0, 0, kAuditOptions, "Say who did what", "", with_control<run_audit>},
    {"audit verify", "", 0, 0, kAskOptions, "Check that nobody has changed it since",
     "\nExit status 0: it is whole, 1: it is not.\n", with_control<run_verify>},
};

}  // namespace

std::span<const Command> admin_commands() { return kCommands; }

}  // namespace envgate::cli
