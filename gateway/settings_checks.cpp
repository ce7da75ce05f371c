#include "gateway/settings_checks.hpp"

#include <sys/un.h>

#include <algorithm>
#include <array>
#include <set>
#include <string_view>

#include "routing/redis/url.hpp"

namespace envgate::gateway {
namespace {

constexpr std::string_view kLower = "abcdefghijklmnopqrstuvwxyz";
constexpr std::string_view kDigits = "0123456789";

bool only(std::string_view text, std::string_view bytes) {
  return text.find_first_not_of(bytes) == text.npos;
}

bool is_wildcard(const IpAddress& address) { return address == IpAddress() || address == IpAddress::v4(0); }

// Whether two sockets could not both be bound. Port 0 is the kernel's choice and clashes with nothing.
bool clash(const Endpoint& a, const Endpoint& b) {
  if (a.port != b.port || a.port == 0) return false;
  return a.address == b.address || is_wildcard(a.address) || is_wildcard(b.address);
}

}  // namespace

std::string check_domain(const std::string& name) {
  // The longest name under it is "<32>-<5>.container.", which takes 49 of the 253 that DNS allows.
  if (name.empty() || name.size() > 200) return "is not a domain name: 1 to 200 characters";
  std::string_view rest = name, label;
  while (true) {
    const auto dot = std::min(rest.find('.'), rest.size());
    label = rest.substr(0, dot);
    const bool good = !label.empty() && label.size() <= 63 && label.front() != '-' && label.back() != '-' &&
                      only(label, "abcdefghijklmnopqrstuvwxyz0123456789-");
    if (!good)
      return "is not a domain name: write it in lower case, without a dot at either end, such as x-gpu.com";
    if (dot == rest.size()) break;
    rest.remove_prefix(dot + 1);
  }
  return only(label, kDigits) ? "ends in a number, as an address does: a domain name is needed" : "";
}

std::string check_account(const std::string& name) {
  if (name.empty()) return "";
  const bool good = name.size() <= 32 && (kLower.find(name.front()) != kLower.npos || name.front() == '_') &&
                    only(name, "abcdefghijklmnopqrstuvwxyz0123456789_-");
  return good ? "" : "is not an account's name: lower-case letters, digits, _ and -, at most 32";
}

std::string check_path(const std::string& path) { return path.empty() ? "is empty: a path is needed" : ""; }

std::string check_socket(const std::string& path) {
  constexpr std::size_t kLongest = sizeof(sockaddr_un::sun_path) - 1;  // unix(7)
  if (path.size() <= kLongest) return "";
  return "is longer than the " + std::to_string(kLongest) + " bytes that a socket's path may have";
}

std::string check_needed_socket(const std::string& path) {
  const std::string problem = check_path(path);
  return problem.empty() ? check_socket(path) : problem;
}

std::string check_redis_url(const std::string& url) {
  constexpr const char* kForms =
      "; expected redis://[user:password@]HOST[:PORT][/DATABASE] or unix:///PATH[?db=N]";
  if (url.find_first_of(" \t\r\n") != url.npos) return std::string("holds white space") + kForms;
  const auto parsed = routing::redis::Url::parse(url);
  return parsed ? "" : parsed.error().message + kForms;
}

void check_listeners(const GatewaySettings& s, const settings::Complain& complain) {
  using Bind = std::pair<const char*, std::optional<Endpoint>>;
  const std::array<Bind, 3> binds = {
      Bind{"https.bind", s.https.bind}, {"http.bind", s.http.bind}, {"metrics.bind", s.metrics.bind}};
  for (std::size_t i = 0; i < binds.size(); ++i) {
    const auto& [name, bind] = binds[i];
    if (!bind) continue;
    for (std::size_t j = 0; j < i; ++j)
      if (binds[j].second && clash(*bind, *binds[j].second))
        complain({name, binds[j].first}, "takes the same port as " + std::string(binds[j].first) + " (" +
                                             binds[j].second->to_string() + ")");
    if (s.ssh.bind && s.ssh.port_range.contains(bind->port) && clash(*bind, {*s.ssh.bind, bind->port}))
      complain({name, "ssh.port_range"},
               "port " + std::to_string(bind->port) + " lies inside ssh.port_range (" +
                   format_port_range(s.ssh.port_range) + "), where routes have their ports");
  }
  if (s.http.bind && !s.https.bind)
    complain({"http.bind", "https.bind"}, "redirects to https, but https.bind is empty: set both or neither");
}

void check_certificates(const GatewaySettings& s, const settings::Complain& complain) {
  if (s.https.bind && s.https.certificates.empty())
    complain({"https.certificates", "https.bind"},
             "is empty, but https.bind is " + s.https.bind->to_string() +
                 ": name at least one {certificate: FILE, key: FILE}, or set https.bind to \"\"");
  if (!s.https.bind && !s.https.certificates.empty())
    complain({"https.certificates", "https.bind"},
             "is set, but https.bind is empty: set it, such as 0.0.0.0:443");
}

void check_routes(const GatewaySettings& s, const settings::Complain& complain) {
  if (!s.routes.snapshot.empty() && s.routes.snapshot == s.routes.file)
    complain({"routes.snapshot", "routes.file"}, "is the same file as routes.file, and would overwrite it");
}

void check_http_limits(const GatewaySettings& s, const settings::Complain& complain) {
  if (s.http.max_request_line > s.http.max_head_bytes)
    complain({"http.max_request_line", "http.max_head_bytes"}, "is more than http.max_head_bytes (" +
                                                                   format_bytes(s.http.max_head_bytes) +
                                                                   "), which counts it too");
  std::set<std::uint16_t> seen;
  for (const std::uint16_t port : s.http.default_ports)
    if (!seen.insert(port).second)
      complain({"http.default_ports"}, "names port " + std::to_string(port) + " twice");
}

void check_records(const GatewaySettings& s, const settings::Complain& complain) {
  const GatewaySettings::Audit::Records& r = s.audit.records;
  const bool inside = !r.key_file.empty() && r.key_file.starts_with(r.directory + "/");
  // Whoever may copy records away must not get the key with them.
  if (inside)
    complain({"audit.records.key_file", "audit.records.directory"},
             "lies in audit.records.directory, beside what it signs: keep it elsewhere");
}

}  // namespace envgate::gateway
