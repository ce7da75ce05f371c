#include "control/cli/owner_commands.hpp"

#include <nlohmann/json.hpp>

#include "control/cli/body_file.hpp"
#include "control/cli/control_command.hpp"
#include "control/cli/table.hpp"
#include "control/cli/terminal.hpp"

namespace envgate::cli {
namespace {

constexpr Option kPolicyOptions[] = {
    {"--forbid", 0, "agent|x11|local_forwarding|remote_forwarding|unix_forwarding|sftp|exec|shell|pty",
     "forbidden in audited sessions", true},
    {"--record-input", 0, "", "what is typed in audited sessions is recorded, too"},
    {"--force-command", 0, "COMMAND", "runs in place of whatever an audited session asks for"},
    kOutput,
    kControlSocket,
    kTimeout,
};
constexpr Option kRmOptions[] = {kControlSocket, kTimeout};

constexpr Column kLines[] = {{"owner", "/owner"},
                             {"forbidden", "/policy/ssh/forbid"},
                             {"records input", "/policy/ssh/record_input"},
                             {"forced command", "/policy/ssh/force_command"},
                             {"one-time codes", "/totp"}};
constexpr Column kKeyColumns[] = {
    {"FINGERPRINT", "/fingerprint"}, {"AGE", "/created_at", As::age}, {"KEY", "/public_key", As::text, true}};
constexpr ListShape kKeys{"keys", kKeyColumns, "no keys"};
constexpr Column kKeyLines[] = {{"fingerprint", "/fingerprint"}, {"key", "/public_key"}};
constexpr Column kCodeLines[] = {{"owner", "/owner"}, {"secret", "/secret"}, {"uri", "/uri"}};

std::string target_of(const Invocation& call, const std::string& below = "") {
  return "/api/owners/" + encode_segment(call.words[0]) + below;
}

Asked<void> run_show(const Invocation& call, const ControlClient& client) {
  return print_answer(call, client.get(target_of(call)), kLines);
}

// All of it: what no option names is allowed.
Asked<void> run_policy(const Invocation& call, const ControlClient& client) {
  const Json ssh = {{"forbid", call.values("--forbid")},
                    {"record_input", call.has("--record-input")},
                    {"force_command", call.value("--force-command")}};
  const Change change{"PUT", target_of(call, "/policy"), to_json_line({{"ssh", ssh}})};
  return print_answer(call, client.change(change), kLines);
}

Asked<void> run_key_ls(const Invocation& call, const ControlClient& client) {
  return list_and_print(call, client, target_of(call, "/keys"), kKeys);
}

Asked<void> run_key_add(const Invocation& call, const ControlClient& client) {
  const auto keys = public_keys(call.words[1], "KEY");
  if (!keys) return tl::unexpected(keys.error());
  for (const std::string& key : *keys) {
    const Change change{"POST", target_of(call, "/keys"), to_json_line({{"public_key", key}})};
    if (auto printed = print_answer(call, client.change(change), kKeyLines); !printed) return printed;
  }
  return {};
}

Asked<void> run_key_rm(const Invocation& call, const ControlClient& client) {
  const auto gone = client.change({"DELETE", target_of(call, "/keys/" + encode_segment(call.words[1]))});
  if (!gone) return tl::unexpected(gone.error());
  print(stdout, "key " + printable(call.words[1]) + " opens nothing of owner " + printable(call.words[0]) +
                    " any more\n");
  return {};
}

Asked<void> run_totp_on(const Invocation& call, const ControlClient& client) {
  const auto made = client.change({"PUT", target_of(call, "/totp")});
  if (!made) return tl::unexpected(made.error());
  auto printed = print_entry(call, *made, kCodeLines);
  if (is_terminal(stderr)) print(stderr, "It is shown this once: put it into an authenticator now.\n");
  return printed;
}

Asked<void> run_totp_off(const Invocation& call, const ControlClient& client) {
  const auto gone = client.change({"DELETE", target_of(call, "/totp")});
  if (!gone) return tl::unexpected(gone.error());
  print(stdout, "owner " + printable(call.words[0]) + " is asked for no codes any more\n");
  return {};
}

constexpr Command kCommands[] = {
    {"owner show", "OWNER", 1, 1, kAskOptions, "Show an owner's policy, and whether codes are asked for", "",
     with_control<run_show>},
    {"owner policy", "OWNER", 1, 1, kPolicyOptions, "Set the policy over all environments of an owner",
     "\nIt says all of it: what no option names is allowed. What an environment's own policy forbids besides"
     "\nis forbidden, too.\n",
     with_control<run_policy>},
    {"owner key ls", "OWNER", 1, 1, kListOptions, "List an owner's public keys", "",
     with_control<run_key_ls>},
    {"owner key add", "OWNER FILE", 2, 2, kAskOptions, "Add public keys: a file of them, or one key's text",
     "", with_control<run_key_add>},
    {"owner key rm", "OWNER FINGERPRINT", 2, 2, kRmOptions, "Remove a public key", "",
     with_control<run_key_rm>},
    {"owner totp on", "OWNER", 1, 1, kAskOptions,
     "Ask for one-time codes; their secret is shown once, and replaces one before it", "",
     with_control<run_totp_on>},
    {"owner totp off", "OWNER", 1, 1, kRmOptions, "Ask for no one-time codes any more", "",
     with_control<run_totp_off>},
};

}  // namespace

std::span<const Command> owner_commands() { return kCommands; }

}  // namespace envgate::cli
