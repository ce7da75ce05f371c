#include "control/cli/machine_commands.hpp"

#include <nlohmann/json.hpp>

#include "control/cli/body_file.hpp"
#include "control/cli/control_command.hpp"
#include "control/cli/table.hpp"

namespace envgate::cli {
namespace {

constexpr Option kAddOptions[] = {
    {"--file", 'f', "FILE", "the whole of it in YAML or JSON; - is standard input; options go above it"},
    {"--address", 0, "ADDRESS", "where it is"},
    {"--ssh-port", 0, "N", "its sshd's port (22 if left out)"},
    {"--user", 0, "USER", "who administers it (root if left out)"},
    {"--admin-key", 0, "FILE", "the private key for that: a file of control's own machine"},
    {"--host-key", 'k', "FILE", "its public host keys: a file of them, or one key's text", true},
    {"--region", 0, "REGION", "where in the world"},
    {"--gpu-model", 0, "MODEL", "what GPUs it has"},
    {"--gpus", 0, "N", "how many"},
    {"--cpu", 0, "N", "cores"},
    {"--memory", 'm', "SIZE", "such as 512GiB"},
    {"--disk", 0, "SIZE", "such as 4TiB"},
    {"--price-per-month", 0, "PRICE", "what it costs"},
    {"--label", 'l', "KEY=VALUE", "a label", true},
    kOutput,
    kControlSocket,
    kTimeout,
};
constexpr Option kRegion{"--region", 0, "REGION", "only there"};
constexpr Option kState{"--state", 0, "STATE", "only those in this state"};
constexpr Option kFormat{"--format", 0, "csv|yaml", "what the file is (by its suffix if left out)"};
constexpr Option kLsOptions[] = {kState, kRegion, kLimit, kOutput, kControlSocket, kTimeout};
constexpr Option kImportOptions[] = {kFormat, kOutput, kControlSocket, kTimeout};
constexpr Option kRmOptions[] = {kControlSocket, kTimeout};

constexpr BodyOption kMembers[] = {
    {"--address", "/address"},
    {"--ssh-port", "/ssh_port", Kind::number},
    {"--user", "/user"},
    {"--admin-key", "/admin_key"},
    {"--region", "/region"},
    {"--gpu-model", "/gpu_model"},
    {"--gpus", "/gpus", Kind::number},
    {"--cpu", "/cpu", Kind::number},
    {"--memory", "/memory"},
    {"--disk", "/disk"},
    {"--price-per-month", "/price_per_month"},
};

constexpr Column kColumns[] = {
    {"NAME", "/name"},
    {"REGION", "/region"},
    {"GPU MODEL", "/gpu_model"},
    {"GPUS", "/gpus"},
    {"CPU", "/cpu"},
    {"MEMORY", "/memory", As::bytes},
    {"DISK", "/disk", As::bytes, true},
    {"ADDRESS", "/address"},
    {"STATE", "/state", As::state},
    {"ENVIRONMENT", "/environment"},
    {"REASON", "/reason", As::text, true},
    {"PRICE", "/price_per_month", As::text, true},
    {"LABELS", "/labels", As::text, true},
    {"CHECKED", "/checked_at", As::age},
};
constexpr ListShape kList{"machines", kColumns, "no machines"};
constexpr Column kLines[] = {
    {"name", "/name"},
    {"state", "/state", As::state},
    {"reason", "/reason"},
    {"environment", "/environment"},
    {"region", "/region"},
    {"gpu model", "/gpu_model"},
    {"gpus", "/gpus"},
    {"cpu", "/cpu"},
    {"memory", "/memory", As::bytes},
    {"disk", "/disk", As::bytes},
    {"price", "/price_per_month"},
    {"address", "/address"},
    {"ssh port", "/ssh_port"},
    {"user", "/user"},
    {"admin key", "/admin_key"},
    {"host keys", "/host_keys", As::text, true},
    {"labels", "/labels"},
    {"checked", "/checked_at"},
};

std::string target_of(const Invocation& call, const std::string& verb = "") {
  return "/api/machines/" + encode_segment(call.words[0]) + verb;
}

Asked<Json> machine_body(const Invocation& call) try {
  Json body = Json::object();
  if (call.has("--file")) {
    const std::string path = call.value("--file");
    auto read = read_file(path).and_then([&](const std::string& text) { return parse_body(text, path); });
    if (!read) return read;
    body = std::move(*read);
  }
  if (!call.words.empty()) body["name"] = call.words[0];
  if (auto taken = take_body_options(call, kMembers, body); !taken) return tl::unexpected(taken.error());
  for (const std::string& text : call.values("--host-key")) {
    const auto keys = public_keys(text, "--host-key");
    if (!keys) return tl::unexpected(keys.error());
    for (const std::string& key : *keys) body["host_keys"].push_back(key);
  }
  for (const std::string& text : call.values("--label")) {
    const auto pair = key_and_value(text, "--label");
    if (!pair) return tl::unexpected(pair.error());
    body["labels"][pair->first] = pair->second;
  }
  if (!body.contains("name")) return refuse("a machine needs a NAME; see envctl machine add --help", kMisuse);
  return body;
} catch (const Json::exception&) {
  return refuse("a member of " + call.value("--file") + " that options add to is neither a map nor a list",
                kMisuse);
}

Asked<void> run_add(const Invocation& call, const ControlClient& client) {
  const auto body = machine_body(call);
  if (!body) return tl::unexpected(body.error());
  return print_answer(call, client.change({"POST", "/api/machines", to_json_line(*body)}), kLines);
}

Asked<void> run_import(const Invocation& call, const ControlClient& client) {
  const std::string& path = call.words[0];
  std::string format = call.value("--format");
  if (format.empty() && path.ends_with(".csv")) format = "csv";
  if (format.empty() && (path.ends_with(".yaml") || path.ends_with(".yml"))) format = "yaml";
  if (format != "csv" && format != "yaml")
    return refuse(
        "whether " + printable(path) + " is CSV or YAML is to be said: --format csv or --format yaml",
        kMisuse);
  const auto text = read_file(path);
  if (!text) return tl::unexpected(text.error());
  if (text->empty()) return refuse(path + " is empty", kMisuse);
  const auto answer = client.change(
      {"POST", "/api/machines/import", *text, format == "csv" ? "text/csv" : "application/yaml"});
  if (!answer) return tl::unexpected(answer.error());
  const Format wanted = *format_of(call);
  const bool listed =
      answer->is_object() && answer->contains("machines") && answer->at("machines").is_array();
  if (listed) return print_list(call, *answer, kList);
  if (wanted == Format::json || wanted == Format::yaml) return print_entry(call, *answer, {});
  print(stdout, "imported\n");
  return {};
}

Asked<void> run_ls(const Invocation& call, const ControlClient& client) {
  return list_and_print(call, client, "/api/machines" + filters_of(call, {"--state", "--region"}), kList);
}

Asked<void> run_show(const Invocation& call, const ControlClient& client) {
  return print_answer(call, client.get(target_of(call)), kLines);
}

Asked<void> change(const Invocation& call, const ControlClient& client, const char* verb) {
  auto machine = client.change({"POST", target_of(call, verb)});
  if (machine && !machine->contains("name")) machine = client.get(target_of(call));
  return print_answer(call, machine, kLines);
}
Asked<void> run_check(const Invocation& call, const ControlClient& client) {
  return change(call, client, "/check");
}
Asked<void> run_maintenance(const Invocation& call, const ControlClient& client) {
  return change(call, client, "/maintenance");
}
Asked<void> run_available(const Invocation& call, const ControlClient& client) {
  return change(call, client, "/available");
}

Asked<void> run_rm(const Invocation& call, const ControlClient& client) {
  const auto gone = client.change({"DELETE", target_of(call)});
  if (!gone) return tl::unexpected(gone.error());
  print(stdout, "machine " + printable(call.words[0]) + " is no longer of the pool\n");
  return {};
}

constexpr Command kCommands[] = {
    {"machine add", "[MACHINE]", 0, 1, kAddOptions, "Add a machine to the pool", "", with_control<run_add>},
    {"machine import", "FILE", 1, 1, kImportOptions, "Add many from a file: all of them or none",
     "\nFILE is CSV or YAML, by its suffix or --format; - is standard input.\n", with_control<run_import>},
    {"machine ls", "", 0, 0, kLsOptions, "List the pool", "", with_control<run_ls>},
    {"machine show", "MACHINE", 1, 1, kAskOptions, "Show one", "", with_control<run_show>},
    {"machine check", "MACHINE", 1, 1, kAskOptions, "Look at it now", "", with_control<run_check>},
    {"machine maintenance", "MACHINE", 1, 1, kAskOptions, "Take it out of use", "",
     with_control<run_maintenance>},
    {"machine available", "MACHINE", 1, 1, kAskOptions, "Take it into use again", "",
     with_control<run_available>},
    {"machine rm", "MACHINE", 1, 1, kRmOptions, "Remove it from the pool", "", with_control<run_rm>},
};

}  // namespace

std::span<const Command> machine_commands() { return kCommands; }

}  // namespace envgate::cli
