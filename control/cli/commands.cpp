#include "control/cli/commands.hpp"

#include "control/cli/admin_commands.hpp"
#include "control/cli/completion.hpp"
#include "control/cli/config_commands.hpp"
#include "control/cli/connect.hpp"
#include "control/cli/doctor.hpp"
#include "control/cli/env_commands.hpp"
#include "control/cli/event_commands.hpp"
#include "control/cli/gateway_commands.hpp"
#include "control/cli/machine_commands.hpp"
#include "control/cli/op_commands.hpp"
#include "control/cli/owner_commands.hpp"
#include "control/cli/quota_commands.hpp"
#include "control/cli/record_commands.hpp"
#include "control/cli/session_commands.hpp"

namespace envgate::cli {

const std::vector<Command>& all_commands() {
  static const std::vector<Command> commands = [] {
    std::vector<Command> all;
    const auto add = [&](std::span<const Command> some) { all.insert(all.end(), some.begin(), some.end()); };
    all.push_back(heading("env", "Environments"));
    all.push_back(env_create_command());
    add(env_commands());
    all.push_back(heading("op", "Operations and events: what was asked for, and what happens"));
    add(op_commands());
    add(event_commands());
    all.push_back(heading("quota", "Quotas: what an owner may have"));
    add(quota_commands());
    all.push_back(heading("owner", "Owners: their keys, one-time codes and policy"));
    add(owner_commands());
    all.push_back(heading("machine", "Physical machines"));
    add(machine_commands());
    all.push_back(heading("node", "Docker engines"));
    add(node_commands());
    all.push_back(heading("token", "Who may, and who did"));
    add(admin_commands());
    all.push_back(heading("gateway", "The gateway on this machine"));
    add(gateway_commands());
    all.push_back(connect_command());
    all.push_back(heading("session", "Records of sessions"));
    add(record_commands());
    add(session_commands());
    all.push_back(heading("config", "This installation"));
    all.push_back(config_explain_command());
    all.push_back(doctor_command());
    add(completion_commands());
    return all;
  }();
  return commands;
}

}  // namespace envgate::cli
