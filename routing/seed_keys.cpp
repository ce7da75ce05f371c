// The seed's four keys as a route. Values come as a platform's own code or a shell wrote them, so white space
// around them is forgiven; anything else that is wrong is not guessed at.
#include <nlohmann/json.hpp>

#include "routing/json_fields.hpp"
#include "routing/route_json.hpp"
#include "routing/timestamp.hpp"

namespace envgate::routing {
namespace {

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const std::size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

Kind kind_of(std::string_view type) {
  for (const Kind kind : {Kind::physical, Kind::vm, Kind::pod}) {
    if (type == to_string(kind)) return kind;
  }
  return Kind::container;
}

// Only ever tells who was first at a port, so nothing here is an error. The password beside it is not looked at.
std::uint32_t created_at(std::string_view access_info) {
  if (access_info.size() > kMaxRouteJson) return 0;
  const auto tree = nlohmann::json::parse(access_info, nullptr, false);
  if (!tree.is_object()) return 0;
  const auto field = tree.find("created_at");
  if (field == tree.end() || !field->is_string()) return 0;
  const auto seconds = parse_timestamp(field->get_ref<const std::string&>());
  return seconds && *seconds <= 0xffffffff ? static_cast<std::uint32_t>(*seconds) : 0;
}

}  // namespace

Result<RouteSpec> from_seed_keys(const EnvId& env, const SeedKeys& keys) {
  if (!keys.ip) return fail("ip: is missing");
  RouteSpec spec;
  spec.env = env;
  const auto address = IpAddress::parse(trimmed(*keys.ip));
  if (!address) {
    return fail("ip: " + JsonFields::quoted(*keys.ip) + " is not an IPv4 or IPv6 address (names are never resolved)");
  }
  spec.address = *address;
  const std::string_view port_text = trimmed(keys.ssh_port.value_or(""));
  if (!port_text.empty() && port_text != "0") {
    const auto port = parse_port(port_text);
    if (!port) return fail("ssh_port: " + JsonFields::quoted(*keys.ssh_port) + " is not a port (1 to 65535)");
    spec.ssh.listen_port = *port;
  }
  spec.kind = kind_of(trimmed(keys.type.value_or("")));
  if (keys.access_info) spec.created = created_at(*keys.access_info);
  return spec;
}

}  // namespace envgate::routing
