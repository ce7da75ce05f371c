// The JSON writer, by hand: a snapshot of a million routes goes through here.
#include "base/json_line.hpp"
#include "routing/route_json.hpp"
#include "routing/timestamp.hpp"

namespace envgate::routing {
namespace {

void append_key(std::string& out, std::string_view key) {
  if (out.back() != '{') out += ',';
  out.append("\"").append(key).append("\":");
}

void append_text(std::string& out, std::string_view key, std::string_view value) {
  append_key(out, key);
  append_json_string(out, value);
}

void append_number(std::string& out, std::string_view key, std::uint64_t value) {
  append_key(out, key);
  out += std::to_string(value);
}

template <typename List, typename Each>
void append_list(std::string& out, std::string_view key, const List& list, Each each) {
  append_key(out, key);
  out += '[';
  for (const auto& entry : list) {
    if (out.back() != '[') out += ',';
    each(entry);
  }
  out += ']';
}

void append_texts(std::string& out, std::string_view key, const std::vector<std::string>& texts) {
  append_list(out, key, texts, [&](const std::string& text) { append_json_string(out, text); });
}

void append_true(std::string& out, std::string_view key) {
  append_key(out, key);
  out += "true";
}

void append_forbid(std::string& out, const Services& services) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < kSshForbids; ++i) {
    const auto what = static_cast<SshForbid>(i);
    if (services.forbids(what)) names.emplace_back(to_string(what));
  }
  append_texts(out, "forbid", names);
}

void append_ssh(std::string& out, const Route& route, Detail detail) {
  const Services& services = route.services();
  append_key(out, "ssh");
  out += '{';
  if (route.ssh.listen_port != 0) append_number(out, "listen_port", route.ssh.listen_port);
  append_number(out, "target_port", route.ssh.target_port);
  append_text(out, "mode", to_string(route.ssh.mode));
  if (!services.ssh_users.empty()) {
    append_list(out, "users", services.ssh_users, [&](const SshUser& user) {
      out += '{';
      append_text(out, "name", user.name);
      if (detail == Detail::full && !user.verifier.empty()) append_text(out, "verifier", user.verifier);
      if (!user.authorized_keys.empty()) append_texts(out, "authorized_keys", user.authorized_keys);
      if (user.totp) append_true(out, "totp");
      out += '}';
    });
  }
  if (!services.ssh_host_keys.empty()) append_texts(out, "host_keys", services.ssh_host_keys);
  if (services.ssh_forbid != 0) append_forbid(out, services);
  if (services.ssh_record_input) append_true(out, "record_input");
  if (!services.ssh_force_command.empty()) append_text(out, "force_command", services.ssh_force_command);
  out += '}';
}

void append_http(std::string& out, const Services& services) {
  append_list(out, "http", services.http, [&](const HttpPort& http) {
    out += '{';
    append_number(out, "port", http.port);
    append_number(out, "target_port", http.target_port);
    append_text(out, "scheme", to_string(http.scheme));
    append_text(out, "access", to_string(http.access));
    out += '}';
  });
}

void append_tcp(std::string& out, const Services& services) {
  append_list(out, "tcp", services.tcp, [&](const TcpPort& tcp) {
    out += '{';
    append_number(out, "listen_port", tcp.listen_port);
    append_number(out, "target_port", tcp.target_port);
    append_text(out, "service", tcp.service);
    out += '}';
  });
}

void append_limits(std::string& out, const Limits& limits) {
  append_key(out, "limits");
  out += '{';
  if (limits.connections) append_number(out, "connections", limits.connections);
  if (limits.requests_per_second) append_number(out, "requests_per_second", limits.requests_per_second);
  if (limits.bandwidth) append_number(out, "bandwidth", limits.bandwidth);
  out += '}';
}

}  // namespace

void append_json(std::string& out, const Route& route, Detail detail) {
  const Services& services = route.services();
  out += '{';
  append_text(out, "env", route.env.view());
  append_number(out, "generation", route.generation);
  append_text(out, "kind", to_string(route.kind));
  append_text(out, "state", to_string(route.state));
  if (!route.nowhere()) append_text(out, "address", route.address.to_string());
  if (route.created != 0) append_text(out, "created_at", format_timestamp(route.created));
  append_ssh(out, route, detail);
  if (services.http_declared) append_http(out, services);
  if (!services.tcp.empty()) append_tcp(out, services);
  if (!services.allow_from.empty()) {
    append_list(out, "allow_from", services.allow_from,
                [&](const Cidr& network) { append_json_string(out, network.to_string()); });
  }
  if (services.limits != Limits{}) append_limits(out, services.limits);
  if (services.wake) append_true(out, "wake");
  if (!services.owner.empty()) append_text(out, "owner", services.owner);
  if (detail == Detail::admin && route.port_refused) append_true(out, "port_refused");
  out += '}';
}

std::string to_json(const Route& route, Detail detail) {
  std::string out;
  append_json(out, route, detail);
  return out;
}

}  // namespace envgate::routing
