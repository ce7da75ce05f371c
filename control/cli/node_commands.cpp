#include <nlohmann/json.hpp>

#include "control/cli/body_file.hpp"
#include "control/cli/control_command.hpp"
#include "control/cli/machine_commands.hpp"
#include "control/cli/table.hpp"

namespace envgate::cli {
namespace {

constexpr Option kAddOptions[] = {
    {"--host", 0, "HOST:PORT", "where the engine listens, with TLS"},
    {"--address", 0, "ADDRESS", "where the gateways reach what runs there"},
    {"--ca", 0, "FILE", "whose certificate the engine shows: a file of control's own machine"},
    {"--certificate", 0, "FILE", "what control shows: a file of its own machine"},
    {"--private-key", 0, "FILE", "the key for that: a file of its own machine"},
    {"--gpu", 0, "ID[=MODEL]", "a GPU that environments may have, as its driver knows it", true},
    kOutput,
    kControlSocket,
    kTimeout,
};
constexpr BodyOption kMembers[] = {{"--host", "/host"},
                                   {"--address", "/address"},
                                   {"--ca", "/ca"},
                                   {"--certificate", "/certificate"},
                                   {"--private-key", "/private_key"}};
constexpr Option kRmOptions[] = {kControlSocket, kTimeout};

constexpr Column kColumns[] = {
    {"NAME", "/name"},
    {"HOST", "/host|/engine|/socket"},
    {"ADDRESS", "/address"},
    {"STATE", "/state", As::state},
    {"REASON", "/reason|/error", As::text, true},
    {"ENVIRONMENTS", "/environments"},
    {"CPU", "/cpu"},
    {"MEMORY", "/memory", As::bytes},
    {"USED CPU", "/used/cpu"},
    {"USED MEMORY", "/used/memory", As::bytes},
    {"USED GPUS", "/used/gpu", As::text, true},
    {"AGE", "/created_at", As::age},
};
constexpr ListShape kList{"nodes", kColumns, "no nodes"};
constexpr Column kLines[] = {
    {"name", "/name"},
    {"host", "/host|/engine|/socket"},
    {"address", "/address"},
    {"state", "/state", As::state},
    {"reason", "/reason|/error"},
    {"environments", "/environments"},
    {"cpu", "/cpu"},
    {"memory", "/memory", As::bytes},
    {"used cpu", "/used/cpu"},
    {"used memory", "/used/memory", As::bytes},
    {"used gpus", "/used/gpu"},
    {"gpus", "/gpus"},
    {"ca", "/ca"},
    {"certificate", "/certificate"},
    {"created", "/created_at"},
};

std::string target_of(const Invocation& call) { return "/api/nodes/" + encode_segment(call.words[0]); }

Asked<void> run_add(const Invocation& call, const ControlClient& client) {
  Json body = {{"name", call.words[0]}};
  if (auto taken = take_body_options(call, kMembers, body); !taken) return taken;
  for (const std::string& gpu : call.values("--gpu")) {
    const auto equals = gpu.find('=');
    body["gpus"].push_back(
        {{"id", gpu.substr(0, equals)}, {"model", equals == gpu.npos ? "" : gpu.substr(equals + 1)}});
  }
  return print_answer(call, client.change({"POST", "/api/nodes", to_json_line(body)}), kLines);
}

Asked<void> run_ls(const Invocation& call, const ControlClient& client) {
  return list_and_print(call, client, "/api/nodes", kList);
}

Asked<void> run_show(const Invocation& call, const ControlClient& client) {
  return print_answer(call, client.get(target_of(call)), kLines);
}

Asked<void> change(const Invocation& call, const ControlClient& client, const char* verb) {
  return print_answer(call, client.change({"POST", target_of(call) + verb}), kLines);
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
  print(stdout, "node " + printable(call.words[0]) + " is gone\n");
  return {};
}

constexpr Command kCommands[] = {
    {"node add", "NODE", 1, 1, kAddOptions, "Add a Docker engine", "", with_control<run_add>},
    {"node ls", "", 0, 0, kListOptions, "List the Docker engines", "", with_control<run_ls>},
    {"node show", "NODE", 1, 1, kAskOptions, "Show one", "", with_control<run_show>},
    {"node maintenance", "NODE", 1, 1, kAskOptions, "Place no new environments on it", "",
     with_control<run_maintenance>},
    {"node available", "NODE", 1, 1, kAskOptions, "Place environments on it again", "",
     with_control<run_available>},
    {"node rm", "NODE", 1, 1, kRmOptions, "Remove one", "", with_control<run_rm>},
};

}  // namespace

std::span<const Command> node_commands() { return kCommands; }

}  // namespace envgate::cli
