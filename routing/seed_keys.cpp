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

// Finds the string "created_at" of the outermost object, without building a tree: a hundred thousand of these
// are read when a gateway starts. The password beside it is passed over.
struct FindCreatedAt : nlohmann::json::json_sax_t {
  int depth = 0;
  bool here = false;
  std::string found;

  bool value() {
    here = false;
    return true;
  }
  bool null() override { return value(); }
  bool boolean(bool) override { return value(); }
  bool number_integer(number_integer_t) override { return value(); }
  bool number_unsigned(number_unsigned_t) override { return value(); }
  bool number_float(number_float_t, const string_t&) override { return value(); }
  bool binary(binary_t&) override { return value(); }
  bool string(string_t& text) override {
    if (here) found = text;
    return value();
  }
  bool key(string_t& name) override {
    here = depth == 1 && name == "created_at";
    return true;
  }
  bool start_object(std::size_t) override {
    ++depth;
    return value();
  }
  bool end_object() override {
    --depth;
    return true;
  }
  bool start_array(std::size_t) override { return start_object(0); }
  bool end_array() override { return end_object(); }
  bool parse_error(std::size_t, const std::string&, const nlohmann::json::exception&) override {
    return false;
  }
};

// Only ever tells who was first at a port, so nothing here is an error.
std::uint32_t created_at(std::string_view access_info) {
  if (access_info.size() > kMaxRouteJson) return 0;
  FindCreatedAt find;
  if (!nlohmann::json::sax_parse(access_info, &find)) return 0;
  const auto seconds = parse_timestamp(find.found);
  return seconds && *seconds <= 0xffffffff ? static_cast<std::uint32_t>(*seconds) : 0;
}

}  // namespace

Result<RouteSpec> from_seed_keys(const EnvId& env, const SeedKeys& keys) {
  if (!keys.ip) return fail("ip: is missing");
  RouteSpec spec;
  spec.env = env;
  const auto address = IpAddress::parse(trimmed(*keys.ip));
  if (!address) {
    return fail("ip: " + JsonFields::quoted(*keys.ip) +
                " is not an IPv4 or IPv6 address (names are never resolved)");
  }
  spec.address = *address;
  const std::string_view port_text = trimmed(keys.ssh_port.value_or(""));
  if (!port_text.empty() && port_text != "0") {
    const auto port = parse_port(port_text);
    if (!port) return fail("ssh_port: " + JsonFields::quoted(*keys.ssh_port) + " is not a port (1 to 65535)");
    spec.ssh.listen_port = *port;
  }
  spec.kind = kind_of(trimmed(keys.type.value_or("")));
  if (keys.access_info && spec.ssh.listen_port != 0) spec.created = created_at(*keys.access_info);
  return spec;
}

}  // namespace envgate::routing
