#include "control/cli/env_commands.hpp"

#include <unistd.h>

#include <charconv>
#include <nlohmann/json.hpp>

#include "control/cli/environment_name.hpp"
#include "control/cli/event_commands.hpp"
#include "control/cli/operation_wait.hpp"
#include "control/cli/table.hpp"

namespace envgate::cli {
namespace {

constexpr Option kImage{"--image", 'i', "IMAGE", "of another image from now on"};
constexpr Option kVolumes{"--volumes", 0, "keep|remove",
                          "what becomes of its named volumes (its policy if left out)"};
constexpr Option kYes{"--yes", 'y', "", "do not ask"};
constexpr Option kOwner{"--owner", 0, "OWNER", "only this owner's"};
constexpr Option kState{"--state", 0, "STATE", "only those in this state"};
constexpr Option kBackend{"--backend", 0, "docker|physical", "only of this kind"};
constexpr Option kName{"--name", 0, "NAME", "only those of this name"};
constexpr Option kNode{"--node", 0, "NODE", "only those on this node"};
constexpr Option kSort{"--sort", 0, "FIELD", "created_at or name; with - before it, the last first"};

constexpr Option kLsOptions[] = {kOwner, kState, kBackend, kName,          kNode,
                                 kSort,  kLimit, kOutput,  kControlSocket, kTimeout};
constexpr Option kChangeOptions[] = {kWait, kOutput, kControlSocket, kTimeout};
constexpr Option kRebuildOptions[] = {kImage, kWait, kOutput, kControlSocket, kTimeout};
constexpr Option kRmOptions[] = {kVolumes, kYes, kWait, kOutput, kControlSocket, kTimeout};

constexpr Column kColumns[] = {
    {"ID", "/id"},
    {"NAME", "/name"},
    {"OWNER", "/owner"},
    {"BACKEND", "/backend"},
    {"STATE", "/state", As::state},
    {"SSH PORT", "/ssh_port"},
    {"IMAGE OR MACHINE", "/spec/image|/spec/machine|/spec/selector"},
    {"NODE", "/node", As::text, true},
    {"CPU", "/spec/cpu", As::text, true},
    {"MEMORY", "/spec/memory", As::bytes, true},
    {"GPU", "/spec/gpu/count", As::text, true},
    {"TARGET", "/target_ip", As::text, true},
    {"GENERATION", "/generation", As::text, true},
    {"AGE", "/created_at", As::age},
};
constexpr ListShape kList{"environments", kColumns, "no environments"};

constexpr Column kLines[] = {
    {"id", "/id"},
    {"name", "/name"},
    {"owner", "/owner"},
    {"backend", "/backend"},
    {"node", "/node"},
    {"state", "/state", As::state},
    {"desired", "/desired"},
    {"image", "/spec/image"},
    {"image digest", "/image_digest", As::text, true},
    {"machine", "/spec/machine|/spec/selector"},
    {"command", "/spec/command"},
    {"variables", "/spec/env", As::text, true},
    {"cpu", "/spec/cpu"},
    {"memory", "/spec/memory", As::bytes},
    {"shm", "/spec/shm", As::bytes, true},
    {"pids", "/spec/pids", As::text, true},
    {"storage", "/spec/storage", As::bytes},
    {"gpus", "/spec/gpu/count"},
    {"gpu model", "/spec/gpu/model"},
    {"ssh host", "/ssh_host"},
    {"ssh port", "/ssh_port"},
    {"ssh mode", "/spec/ssh/mode"},
    {"target", "/target_ip"},
    {"starts", "/policy/start"},
    {"shared with", "/policy/shared_with"},
    {"forbidden", "/policy/ssh/forbid"},
    {"records input", "/policy/ssh/record_input", As::text, true},
    {"forced command", "/policy/ssh/force_command"},
    {"open to", "/policy/allow_from"},
    {"volumes", "/policy/volumes", As::text, true},
    {"generation", "/generation"},
    {"created", "/created_at"},
    {"started", "/started_at"},
    {"updated", "/updated_at", As::text, true},
};
constexpr Column kConditions[] = {{"CONDITION", "/type"},
                                  {"", "/status", As::state},
                                  {"REASON", "/reason"},
                                  {"MESSAGE", "/message"},
                                  {"SINCE", "/since", As::age}};
constexpr Column kPorts[] = {{"PORT", "/port"}, {"ACCESS", "/access"}, {"SCHEME", "/scheme"}};
constexpr Column kMounts[] = {
    {"MOUNT", "/target"}, {"TYPE", "/type"}, {"SOURCE", "/source"}, {"READ ONLY", "/read_only"}};

// A list inside of an entry, as a table of its own below it; nothing where it is empty.
void print_part(const Json& part, const char* member, std::span<const Column> columns, Format format) {
  const auto found = part.find(member);
  if (found == part.end() || !found->is_array() || found->empty()) return;
  print(stdout, "\n" + list_text(part, {member, columns, ""}, format, wants_colour(stdout)));
}

Asked<void> run_ls(const Invocation& call, const ControlClient& client) {
  const std::string filters =
      filters_of(call, {"--owner", "--state", "--backend", "--name", "--node", "--sort"});
  return list_and_print(call, client, "/api/environments" + filters, kList);
}

Asked<void> run_show(const Invocation& call, const ControlClient& client) {
  const auto environment = find_environment(client, call.words[0]);
  if (!environment) return tl::unexpected(environment.error());
  const Format format = *format_of(call);
  auto printed = print_entry(call, *environment, kLines);
  if (format == Format::json || format == Format::yaml) return printed;
  print_part(*environment, "conditions", kConditions, format);
  const Json spec = environment->value("spec", Json::object());
  print_part(spec, "ports", kPorts, format);
  print_part(spec, "mounts", kMounts, format);
  return printed;
}

// ---- access ----

constexpr Column kAccessLines[] = {
    {"environment", "/environment_id"},
    {"host", "/ssh_host"},
    {"port", "/ssh_port"},
    {"user", "/ssh_username"},
    {"password", "/ssh_password"},
    {"target", "/target_ip", As::text, true},
    {"jupyter", "/jupyter_url"},
};
constexpr Column kUrls[] = {{"PORT", "/port"}, {"ACCESS", "/access"}, {"URL", "/url"}};

Asked<void> run_access(const Invocation& call, const ControlClient& client) {
  const auto id = environment_id(client, call.words[0]);
  if (!id) return tl::unexpected(id.error());
  const auto access = client.get("/api/environments/" + encode_segment(*id) + "/access");
  if (!access) return tl::unexpected(access.error());
  const Format format = *format_of(call);
  auto printed = print_entry(call, *access, kAccessLines);
  if (format == Format::json || format == Format::yaml) return printed;
  print_part(*access, "urls", kUrls, format);
  // Whole lines, to be pasted.
  const Json commands = access->value("commands", Json::object());
  if (!commands.empty()) print(stdout, "\n");
  for (const auto& [name, line] : commands.items())
    print(stdout, "# " + printable(name) + "\n" + printable(line.get<std::string>()) + "\n");
  return printed;
}

std::optional<std::uint16_t> port_in(const std::string& text) {
  std::uint16_t port = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), port);
  const bool good = read.ec == std::errc() && read.ptr == text.data() + text.size() && port > 0;
  return good ? std::optional(port) : std::nullopt;
}

Asked<void> run_open(const Invocation& call, const ControlClient& client) {
  const auto port = port_in(call.words[1]);
  if (!port) return refuse("'" + printable(call.words[1]) + "' is not a port (1 to 65535)", kMisuse);
  const auto id = environment_id(client, call.words[0]);
  if (!id) return tl::unexpected(id.error());
  const std::string target = "/api/environments/" + encode_segment(*id) + "/tickets";
  const auto ticket = client.change({"POST", target, Json{{"port", *port}}.dump()});
  if (!ticket) return tl::unexpected(ticket.error());
  const Format format = *format_of(call);
  if (format == Format::json || format == Format::yaml) return print_entry(call, *ticket, {});
  print(stdout, printable(ticket->at("url").get<std::string>()) + "\n");
  return {};
}

// ---- changes ----

Asked<void> change(const Invocation& call, const ControlClient& client, const char* verb,
                   const std::string& body = {}) {
  if (const auto wait = wait_of(call); !wait) return tl::unexpected(wait.error());
  const auto id = environment_id(client, call.words[0]);
  if (!id) return tl::unexpected(id.error());
  auto accepted = client.change({"POST", "/api/environments/" + encode_segment(*id) + "/" + verb, body});
  if (!accepted) return tl::unexpected(accepted.error());
  return finish_change(call, client, std::move(*accepted));
}

Asked<void> run_start(const Invocation& call, const ControlClient& client) {
  return change(call, client, "start");
}
Asked<void> run_stop(const Invocation& call, const ControlClient& client) {
  return change(call, client, "stop");
}
Asked<void> run_restart(const Invocation& call, const ControlClient& client) {
  return change(call, client, "restart");
}
Asked<void> run_rotate(const Invocation& call, const ControlClient& client) {
  return change(call, client, "rotate");
}
Asked<void> run_rebuild(const Invocation& call, const ControlClient& client) {
  return change(call, client, "rebuild",
                call.has("--image") ? to_json_line(Json{{"image", call.value("--image")}}) : "");
}

// It is gone for good: on a terminal its name is to be typed, and without one nobody can be asked.
Asked<void> confirm(const Invocation& call, const Json& environment) {
  if (call.has("--yes")) return {};
  const std::string name = environment.at("name").get<std::string>();
  if (::isatty(STDIN_FILENO) != 1 || ::isatty(STDERR_FILENO) != 1)
    return refuse("nothing was deleted: without a terminal to ask on, --yes says that it is meant", kMisuse);
  const std::string answer = ask_person(
      "Delete environment " + printable(environment.at("id").get<std::string>()) + " (" + printable(name) +
      ") of " + printable(environment.value("owner", "-")) + "? Type its name: ");
  if (answer == name) return {};
  return refuse("nothing was deleted: '" + printable(answer) + "' is not its name");
}

Asked<void> run_rm(const Invocation& call, const ControlClient& client) {
  if (const auto wait = wait_of(call); !wait) return tl::unexpected(wait.error());
  const std::string volumes = call.value("--volumes", "keep");
  if (volumes != "keep" && volumes != "remove")
    return refuse("--volumes '" + printable(volumes) + "' is neither keep nor remove", kMisuse);
  const auto environment = find_environment(client, call.words[0]);
  if (!environment) return tl::unexpected(environment.error());
  if (auto meant = confirm(call, *environment); !meant) return meant;
  std::string target = "/api/environments/" + encode_segment(environment->at("id").get<std::string>());
  if (call.has("--volumes")) target += "?volumes=" + volumes;
  auto accepted = client.change({"DELETE", target});
  if (!accepted) return tl::unexpected(accepted.error());
  return finish_change(call, client, std::move(*accepted));
}

constexpr std::string_view kEnvHelp = "\nENV is an id, or a name that one environment has.\n";

constexpr Command kCommands[] = {
    {"env ls", "", 0, 0, kLsOptions, "List environments", "", with_control<run_ls>},
    {"env show", "ENV", 1, 1, kAskOptions, "Show one: its state and why, what it is made of", kEnvHelp,
     with_control<run_show>},
    {"env access", "ENV", 1, 1, kAskOptions, "Say how to log in: host, port, password, URLs, lines to paste",
     kEnvHelp, with_control<run_access>},
    {"env start", "ENV", 1, 1, kChangeOptions, "Start it", kEnvHelp, with_control<run_start>},
    {"env stop", "ENV", 1, 1, kChangeOptions, "Stop it; its port and volumes stay its own", kEnvHelp,
     with_control<run_stop>},
    {"env restart", "ENV", 1, 1, kChangeOptions, "Stop it and start it again", kEnvHelp,
     with_control<run_restart>},
    {"env rebuild", "ENV", 1, 1, kRebuildOptions, "Make it anew: same id, same volumes", kEnvHelp,
     with_control<run_rebuild>},
    {"env rotate", "ENV", 1, 1, kChangeOptions, "Give it a new password", kEnvHelp, with_control<run_rotate>},
    {"env open", "ENV PORT", 2, 2, kAskOptions, "Print a URL to a private port that opens it once", kEnvHelp,
     with_control<run_open>},
    {"env events", "ENV", 1, 1, kEventOptions, "Follow what happens to it, until interrupted", kEnvHelp,
     with_control<run_env_events>},
    {"env rm", "ENV", 1, 1, kRmOptions, "Delete it",
     "\nENV is an id, or a name that one environment has. On a terminal, its name is to be typed once more;\n"
     "elsewhere --yes is needed.\n",
     with_control<run_rm>},
};

}  // namespace

std::span<const Command> env_commands() { return kCommands; }

}  // namespace envgate::cli
