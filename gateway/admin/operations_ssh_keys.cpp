#include "gateway/admin/context.hpp"
#include "gateway/admin/json_writer.hpp"
#include "gateway/admin/operations.hpp"
#include "gateway/gateway.hpp"
#include "gateway/ssh/monitor/audited.hpp"

namespace envgate::admin {
namespace {

using Names = std::vector<std::string>;
using ssh::monitor::Audited;
using ssh::monitor::HostKeys;

// As known_hosts has a host: sshd(8), SSH_KNOWN_HOSTS FILE FORMAT.
std::string known_name(const std::string& host, unsigned port) {
  return port == 22 ? host : "[" + host + "]:" + std::to_string(port);
}

Response not_served() {
  return problem(409, "this gateway serves no audited sessions: see ssh.audited.host_key_file");
}

Response keys_of(const Audited& audited, std::string_view entry, const Names& names) {
  const std::string key = audited.host_keys.public_key_of(entry), ca = audited.onward.ca_line();
  std::string line;
  JsonWriter json;
  json.begin_object().key("entry");
  if (entry == HostKeys::kShared)
    json.null();
  else
    json.text(entry);
  json.text("public_key", key).key("names").begin_array();
  for (const std::string& name : names) {
    json.text(name);
    line += (line.empty() ? "" : ",") + name;
  }
  json.end_array().key("known_hosts");
  if (names.empty())
    json.null();
  else
    json.text(line + " " + key);
  json.key("user_ca");
  if (ca.empty())
    json.null();
  else
    json.text(ca);
  json.end_object();
  return {200, "application/json", std::move(json).finish(), {}};
}

}  // namespace

// The entry has no name of its own in the settings: the domain, and what is below it, at its port, where no
// route listens.
Response get_ssh_keys(Context& context, const Request& request) {
  if (auto refused = request.refuse_unknown({})) return *refused;
  const Audited* const audited = context.gateway.audited();
  if (!audited) return not_served();
  Names names;
  const std::string& domain = context.gateway.domain().name();
  if (const auto bind = context.gateway.snapshot()->values.ssh.audited.bind; bind && bind->port != 0)
    names = {known_name(domain, bind->port), known_name("*." + domain, bind->port)};
  return keys_of(*audited, HostKeys::kShared, names);
}

// Its name with its port, and without: through TLS, and behind `ssh -J`, there is none.
Response get_ssh_keys_of(Context& context, const Request& request) {
  if (auto refused = request.refuse_unknown({})) return *refused;
  const Audited* const audited = context.gateway.audited();
  if (!audited) return not_served();
  const auto env = routing::EnvId::parse(request.name);
  const routing::RoutePtr route = env ? context.gateway.router().get(*env) : routing::RoutePtr();
  if (!route) return problem(404, "there is no route for the environment " + request.name, "env");
  if (route->ssh.mode != routing::SshMode::audited)
    return problem(409, "environment " + request.name + " is served in passthrough: it shows its own keys",
                   "env");
  const std::string host = context.gateway.domain().ssh_host(*env);
  Names names = {host};
  if (route->ssh.listen_port != 0 && route->ssh.listen_port != 22)
    names.push_back(known_name(host, route->ssh.listen_port));
  return keys_of(*audited, env->view(), names);
}

}  // namespace envgate::admin
