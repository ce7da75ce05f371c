#include "control/lifecycle/route_body.hpp"

#include "control/lifecycle/fields.hpp"
#include "control/lifecycle/spec.hpp"
#include "control/lifecycle/views.hpp"
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

}  // namespace

std::string route_body(const store::Environment& e, const std::vector<store::Lease>& leases,
                       const std::vector<std::string>& host_keys, long long generation) {
  if (e.state == State::deleting || e.state == State::deleted) return "";
  const Spec spec = stored_spec(e);
  const Policy policy = stored_policy(e);
  const json published = json::parse(e.published, nullptr, false);
  const bool running = e.state == State::running && !e.address.empty();
  json route = {{"env", e.id},
                {"generation", generation},
                {"kind", type_of(e)},
                {"state", e.state == State::running && !running ? "starting" : route_state(e.state)},
                {"created_at", routing::format_timestamp(static_cast<std::uint32_t>(e.created / 1000))}};
  if (running) route["address"] = e.address;
  route["ssh"] = {{"mode", routing::to_string(spec.ssh_mode)}, {"target_port", target_of(published, 22)}};
  route["http"] = json::array();
  for (const PortSpec& port : spec.ports) {
    if (port.access == PortSpec::Access::tcp) continue;
    route["http"].push_back({{"port", port.port},
                             {"target_port", target_of(published, port.port)},
                             {"scheme", routing::to_string(port.scheme)},
                             {"access", port.access == PortSpec::Access::restricted ? "private" : "public"}});
  }
  for (const store::Lease& lease : leases) {
    if (lease.service == "ssh")
      route["ssh"]["listen_port"] = lease.port;
    else
      route["tcp"].push_back({{"listen_port", lease.port},
                              {"target_port", target_of(published, lease.target_port)},
                              {"service", lease.service}});
  }
  if (!host_keys.empty()) route["ssh"]["host_keys"] = host_keys;
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
