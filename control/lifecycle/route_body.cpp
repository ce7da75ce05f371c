#include "control/lifecycle/route_body.hpp"

#include <algorithm>

#include "control/lifecycle/fields.hpp"
#include "control/lifecycle/spec.hpp"
#include "control/lifecycle/views.hpp"
#include "routing/route_json.hpp"
#include "routing/timestamp.hpp"

namespace envgate::control {
namespace {

using nlohmann::json;
using store::State;

std::string_view route_state(State state) {
  switch (state) {
    case State::creating:
    case State::starting: return "starting";
    case State::running: return "running";
    case State::stopping: return "stopping";
    case State::stopped: return "stopped";
    default: return "error";
  }
}

// Where the port of an environment is reached: itself, or the number that it has at its address.
std::uint16_t target_of(const json& published, std::uint16_t port) {
  for (const json& entry : published)
    if (entry.value("port", 0) == port) return static_cast<std::uint16_t>(entry.value("node_port", 0));
  return port;
}

// Whose key is known may come through a jump (ssh -J) to an environment that is served in passthrough.
void add_jump_keys(json& ssh, const Spec& spec, const RouteParts& parts) {
  if (parts.authorized_keys.empty()) return;
  ssh["users"] = json::array({{{"name", spec.ssh_user}, {"authorized_keys", parts.authorized_keys}}});
}

void add_audited(json& ssh, const store::Environment& e, const Spec& spec, const RouteParts& parts) {
  json user = {{"name", spec.ssh_user}, {"authorized_keys", parts.authorized_keys}};
  if (!e.verifier.empty()) user["verifier"] = e.verifier;
  if (parts.totp) user["totp"] = true;
  ssh["users"] = json::array({std::move(user)});
  const json policy = ssh_policy_json(parts.ssh);
  if (parts.ssh.forbid != 0) ssh["forbid"] = policy["forbid"];
  if (parts.ssh.record_input) ssh["record_input"] = true;
  if (!parts.ssh.force_command.empty()) ssh["force_command"] = parts.ssh.force_command;
}

}  // namespace

std::vector<std::string> bounded_keys(const std::vector<std::string>& keys) {
  constexpr std::size_t kMost = 64, kMostBytes = routing::kMaxRouteJson / 2;
  std::vector<std::string> taken;
  std::size_t bytes = 0;
  for (const std::string& key : keys) {
    if (std::find(taken.begin(), taken.end(), key) != taken.end()) continue;
    if (taken.size() == kMost || bytes + key.size() > kMostBytes) continue;
    bytes += key.size();
    taken.push_back(key);
  }
  return taken;
}

std::string without_verifiers(const std::string& route) {
  if (route.find("\"verifier\"") == std::string::npos) return route;
  json tree = json::parse(route, nullptr, false);
  for (json& user : tree["ssh"]["users"]) user.erase("verifier");
  return write_json(tree);
}

std::string route_body(const store::Environment& e, const RouteParts& parts, long long generation) {
  if (e.state == State::deleting || e.state == State::deleted) return "";
  const Spec spec = stored_spec(e);
  const Policy policy = stored_policy(e);
  const json published = json::parse(e.published, nullptr, false);
  const bool running = e.state == State::running && !e.address.empty();
  json route = {{"env", e.id},
                {"generation", generation},
                {"kind", type_of(e)},
                {"owner", e.owner},
                {"state", e.state == State::running && !running ? "starting" : route_state(e.state)},
                {"created_at", routing::format_timestamp(static_cast<std::uint32_t>(e.created / 1000))}};
  if (running) route["address"] = e.address;
  // Who comes while it starts is to wait, too; and to hear why it has not.
  const bool wakes = !running && e.state != State::stopping;
  if (wakes && policy.on_demand) route["wake"] = true;
  route["ssh"] = {{"mode", routing::to_string(spec.ssh_mode)}, {"target_port", target_of(published, 22)}};
  route["http"] = json::array();
  for (const PortSpec& port : spec.ports) {
    if (port.access == PortSpec::Access::tcp) continue;
    route["http"].push_back({{"port", port.port},
                             {"target_port", target_of(published, port.port)},
                             {"scheme", routing::to_string(port.scheme)},
                             {"access", port.access == PortSpec::Access::restricted ? "private" : "public"}});
  }
  for (const store::Lease& lease : parts.leases) {
    if (lease.service == "ssh")
      route["ssh"]["listen_port"] = lease.port;
    else
      route["tcp"].push_back({{"listen_port", lease.port},
                              {"target_port", target_of(published, lease.target_port)},
                              {"service", lease.service}});
  }
  if (!parts.host_keys.empty()) route["ssh"]["host_keys"] = parts.host_keys;
  if (spec.ssh_mode == routing::SshMode::audited)
    add_audited(route["ssh"], e, spec, parts);
  else
    add_jump_keys(route["ssh"], spec, parts);
  if (!policy.allow_from.empty()) route["allow_from"] = policy.allow_from;
  return write_json(route);
}

bool same_route(const std::string& one, const std::string& other) {
  if (one.empty() || other.empty()) return one == other;
  json a = json::parse(one, nullptr, false), b = json::parse(other, nullptr, false);
  a["generation"] = b["generation"] = 0;
  return a == b;
}

}  // namespace envgate::control
