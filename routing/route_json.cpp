#include "routing/route_json.hpp"

#include <algorithm>

#include "routing/json_fields.hpp"
#include "routing/timestamp.hpp"

namespace envgate::routing {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxHttp = 256, kMaxTcp = 64, kMaxNetworks = 256, kMaxUsers = 64, kMaxKeys = 64;
constexpr std::uint64_t kMax32 = 0xffffffff;

void read_ssh_users(JsonFields& fields, const JsonPlace& list, Services& services) {
  if (!fields.array(list, kMaxUsers)) return;
  for (std::size_t i = 0; i < list.value->size() && fields.good(); ++i) {
    const JsonPlace entry = list.element(i);
    // "password" is let by, unread: whoever still writes one is not stopped, but it goes nowhere.
    if (!fields.object(entry, {"name", "verifier", "authorized_keys", "totp", "password"})) return;
    SshUser user;
    if (!entry.field("name").exists()) fields.bad(entry.field("name"), "is missing");
    fields.text(entry.field("name"), 64, user.name);
    fields.text(entry.field("verifier"), 512, user.verifier);
    fields.flag(entry.field("totp"), user.totp);
    const JsonPlace keys = entry.field("authorized_keys");
    if (fields.array(keys, kMaxKeys)) {
      for (std::size_t k = 0; k < keys.value->size(); ++k) {
        fields.text(keys.element(k), 16384, user.authorized_keys.emplace_back());
      }
    }
    services.ssh_users.push_back(std::move(user));
  }
}

// A name that is not known refuses the route: a restriction must not be passed over.
void read_forbid(JsonFields& fields, const JsonPlace& list, Services& services) {
  if (!fields.array(list, kSshForbids)) return;
  for (std::size_t i = 0; i < list.value->size() && fields.good(); ++i) {
    auto what = SshForbid::agent;
    if (list.element(i).value->is_null()) fields.bad(list.element(i), "is not a string");
    fields.choice(
        list.element(i),
        {SshForbid::agent, SshForbid::x11, SshForbid::local_forwarding, SshForbid::remote_forwarding,
         SshForbid::unix_forwarding, SshForbid::sftp, SshForbid::exec, SshForbid::shell, SshForbid::pty},
        what);
    services.ssh_forbid |= bit_of(what);
  }
}

void read_ssh(JsonFields& fields, const JsonPlace& ssh, RouteSpec& spec) {
  if (!fields.object(ssh, {"listen_port", "target_port", "mode", "users", "host_keys", "forbid",
                           "record_input", "force_command"}))
    return;
  fields.number(ssh.field("listen_port"), 0, 65535, "a port (1 to 65535, or 0 for none)",
                spec.ssh.listen_port);
  fields.port(ssh.field("target_port"), spec.ssh.target_port);
  fields.choice(ssh.field("mode"), {SshMode::passthrough, SshMode::audited}, spec.ssh.mode);
  read_ssh_users(fields, ssh.field("users"), spec.services);
  read_forbid(fields, ssh.field("forbid"), spec.services);
  fields.flag(ssh.field("record_input"), spec.services.ssh_record_input);
  fields.text(ssh.field("force_command"), 4096, spec.services.ssh_force_command);
  const JsonPlace keys = ssh.field("host_keys");
  if (!fields.array(keys, kMaxKeys)) return;
  for (std::size_t i = 0; i < keys.value->size(); ++i) {
    fields.text(keys.element(i), 16384, spec.services.ssh_host_keys.emplace_back());
  }
}

void read_http(JsonFields& fields, const JsonPlace& list, Services& services) {
  if (!fields.array(list, kMaxHttp)) return;
  services.http_declared = true;
  for (std::size_t i = 0; i < list.value->size() && fields.good(); ++i) {
    const JsonPlace entry = list.element(i);
    if (!fields.object(entry, {"port", "target_port", "scheme", "access"})) return;
    HttpPort http;
    if (!entry.field("port").exists()) fields.bad(entry.field("port"), "is missing");
    fields.port(entry.field("port"), http.port);
    http.target_port = http.port;
    fields.port(entry.field("target_port"), http.target_port);
    fields.choice(entry.field("scheme"), {Scheme::http, Scheme::https}, http.scheme);
    fields.choice(entry.field("access"), {Access::open, Access::restricted}, http.access);
    if (services.find_http(http.port)) fields.bad(entry.field("port"), "is listed twice");
    services.http.push_back(http);
  }
}

bool valid_service(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  });
}

void read_tcp(JsonFields& fields, const JsonPlace& list, RouteSpec& spec) {
  if (!fields.array(list, kMaxTcp)) return;
  for (std::size_t i = 0; i < list.value->size() && fields.good(); ++i) {
    const JsonPlace entry = list.element(i);
    if (!fields.object(entry, {"listen_port", "target_port", "service"})) return;
    TcpPort tcp;
    tcp.service = "tcp";
    for (const std::string_view key : {"listen_port", "target_port"}) {
      if (!entry.field(key).exists()) fields.bad(entry.field(key), "is missing");
    }
    fields.port(entry.field("listen_port"), tcp.listen_port);
    fields.port(entry.field("target_port"), tcp.target_port);
    if (fields.text(entry.field("service"), 32, tcp.service) && !valid_service(tcp.service)) {
      fields.bad(entry.field("service"), "is not a short name of [a-z0-9_-]");
    }
    if (spec.services.find_tcp(tcp.listen_port) || tcp.listen_port == spec.ssh.listen_port) {
      fields.bad(entry.field("listen_port"), "is listed twice");
    }
    spec.services.tcp.push_back(std::move(tcp));
  }
}

void read_networks(JsonFields& fields, const JsonPlace& list, Services& services) {
  if (!fields.array(list, kMaxNetworks)) return;
  for (std::size_t i = 0; i < list.value->size() && fields.good(); ++i) {
    std::string text;
    if (!fields.text(list.element(i), 64, text)) return;
    const auto network = Cidr::parse(text);
    if (network) {
      services.allow_from.push_back(*network);
    } else {
      fields.bad(list.element(i), network.error().message);
    }
  }
}

void read_limits(JsonFields& fields, const JsonPlace& place, Limits& limits) {
  if (!fields.object(place, {"connections", "requests_per_second", "bandwidth"})) return;
  const std::string_view what = "a whole number (0 for no limit)";
  fields.number(place.field("connections"), 0, kMax32, what, limits.connections);
  fields.number(place.field("requests_per_second"), 0, kMax32, what, limits.requests_per_second);
  fields.number(place.field("bandwidth"), 0, ~std::uint64_t{0}, what, limits.bandwidth);
}

// Only what runs must be somewhere: a stopped environment may have no address, and may get another.
void read_address(JsonFields& fields, const JsonPlace& place, State state, IpAddress& out) {
  if (!place.exists() && state == State::running) fields.bad(place, "is missing");
  std::string text;
  if (!fields.text(place, 64, text)) return;
  const auto address = IpAddress::parse(text);
  if (address) {
    out = *address;
  } else {
    fields.bad(place,
               JsonFields::quoted(text) + " is not an IPv4 or IPv6 address (names are never resolved)");
  }
}

void read_created(JsonFields& fields, const JsonPlace& place, std::uint32_t& out) {
  std::string text;
  if (!fields.text(place, 64, text)) return;
  const auto seconds = parse_timestamp(text);
  if (seconds && *seconds <= static_cast<std::int64_t>(kMax32)) {
    out = static_cast<std::uint32_t>(*seconds);
  } else {
    fields.bad(place, JsonFields::quoted(text) + " is not an RFC 3339 time");
  }
}

// The environment's id, as the element itself gives it; "env_id" is taken for "env".
void read_env(JsonFields& fields, const JsonPlace& root, EnvId& out) {
  JsonPlace place = root.field("env");
  if (!place.exists()) place = root.field("env_id");
  std::string text;
  if (!fields.text(place, 256, text)) return;
  const auto env = EnvId::parse(text);
  if (!env) {
    fields.bad(place, JsonFields::quoted(text) + " is not an environment id (1 to 32 of [a-z0-9])");
  } else if (!out.empty() && *env != out) {
    fields.bad(place, JsonFields::quoted(text) + " is another environment than \"" + out.str() + "\"");
  } else {
    out = *env;
  }
}

Result<RouteSpec> parse(const EnvId& env, std::string_view text, UnknownKeys unknown) {
  if (text.size() > kMaxRouteJson) {
    return fail("route: is " + std::to_string(text.size()) + " bytes long, more than " +
                std::to_string(kMaxRouteJson));
  }
  const json tree = json::parse(text, nullptr, false);
  if (tree.is_discarded()) return fail("route: is not JSON");
  return parse_route_tree(env, tree, unknown);
}

}  // namespace

Result<RouteSpec> parse_route_tree(const EnvId& env, const json& tree, UnknownKeys unknown) {
  RouteSpec spec;
  spec.env = env;
  JsonFields fields(unknown);
  const JsonPlace root{&tree};
  if (fields.object(root, {"env", "env_id", "generation", "kind", "state", "address", "created_at", "ssh",
                           "http", "tcp", "allow_from", "limits", "wake", "owner"})) {
    read_env(fields, root, spec.env);
    if (spec.env.empty()) fields.bad(root.field("env"), "is missing");
    fields.number(root.field("generation"), 0, ~std::uint64_t{0}, "a whole number", spec.generation);
    fields.choice(root.field("kind"), {Kind::physical, Kind::container, Kind::vm, Kind::pod}, spec.kind);
    fields.choice(root.field("state"),
                  {State::starting, State::running, State::stopping, State::stopped, State::error},
                  spec.state);
    read_address(fields, root.field("address"), spec.state, spec.address);
    read_created(fields, root.field("created_at"), spec.created);
    read_ssh(fields, root.field("ssh"), spec);
    read_http(fields, root.field("http"), spec.services);
    read_tcp(fields, root.field("tcp"), spec);
    read_networks(fields, root.field("allow_from"), spec.services);
    read_limits(fields, root.field("limits"), spec.services.limits);
    fields.flag(root.field("wake"), spec.services.wake);
    fields.text(root.field("owner"), 64, spec.services.owner);
  }
  if (!fields.good()) return fail(fields.error());
  return spec;
}

Result<RouteSpec> parse_route_json(const EnvId& env, std::string_view text, UnknownKeys unknown) {
  return parse(env, text, unknown);
}

Result<RouteSpec> parse_route_json(std::string_view text, UnknownKeys unknown) {
  return parse({}, text, unknown);
}

}  // namespace envgate::routing
