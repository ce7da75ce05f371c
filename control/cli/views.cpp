#include "control/cli/views.hpp"

#include <nlohmann/json.hpp>

#include "control/cli/table.hpp"

namespace envgate::cli {
namespace {

using Json = nlohmann::json;

std::string text_of(const Json& value) {
  if (value.is_string()) return printable(value.get<std::string>());
  return value.is_null() ? "" : value.dump();
}

std::string text(const Json& object, const char* member) {
  const auto found = object.find(member);
  return found == object.end() ? "" : text_of(*found);
}

std::string joined(const Json& list) {
  std::string out;
  for (const Json& item : list) out += (out.empty() ? "" : ", ") + text_of(item);
  return out;
}

std::string labelled(std::string label, const std::string& value) {
  label.resize(13, ' ');
  return label + value + "\n";
}

// "ssh 3, https 5": the members that are not zero.
std::string counts(const Json& object) {
  std::string out;
  for (const auto& [name, count] : object.items())
    if (count != 0)
      out += (out.empty() ? "" : ", ") + printable(name) + " " + human_count(count.get<std::uint64_t>());
  return out;
}

std::string readiness_lines(const Json& json) {
  std::string out = labelled("state", json.at("draining") == true ? "draining"
                                      : json.at("ready") == true  ? "ready"
                                                                  : "not ready");
  for (const Json& reason : json.at("reasons")) out += labelled("", text_of(reason));
  for (const Json& warning : json.at("warnings")) out += labelled("warning", text_of(warning));
  return out;
}

std::string routing_lines(const Json& routing) {
  std::string line = human_count(routing.at("routes").get<std::uint64_t>()) + " from " +
                     text(routing, "source") + ", " + text(routing, "state");
  const Json& age = routing.at("age_seconds");
  line += age.is_null() ? ", never heard" : ", heard " + human_seconds(age.get<double>()) + " ago";
  std::string out = labelled("routes", line);
  if (const std::string refused = counts(routing.at("refused")); !refused.empty())
    out += labelled("refused", refused);
  if (const std::string error = text(routing, "last_error"); !error.empty())
    out += labelled("last error", error);
  return out;
}

std::string listener_line(const Json& listeners) {
  std::string line;
  for (const auto& [name, where] : listeners.items())
    if (where.is_string()) line += (line.empty() ? "" : ", ") + printable(name) + " " + text_of(where);
  const auto ports = listeners.at("route_ports").get<std::uint64_t>();
  return line + (line.empty() ? "" : ", ") + human_count(ports) + (ports == 1 ? " port" : " ports") +
         " of routes";
}

std::string workers_table(const Json& workers) {
  using A = Table::Align;
  Table table({{"WORKER", A::right},
               {"CONNECTIONS", A::right},
               {"SESSIONS", A::right},
               {"POOLED", A::right},
               {"LONGEST TURN", A::right},
               {"", A::left}});
  for (const Json& worker : workers) {
    const bool answers = worker.at("responsive").get<bool>();
    table.add({text(worker, "worker"), text(worker, "connections"), text(worker, "sessions"),
               text(worker, "pooled_connections"),
               human_seconds(worker.at("longest_turn_seconds").get<double>()),
               answers ? " " : "does not answer"});
  }
  return table.to_text();
}

}  // namespace

std::string problem_view(int status, std::string_view body) {
  const Json json = Json::parse(body, nullptr, false);
  if (!json.is_object() || !json.contains("detail"))
    return "the gateway answered " + std::to_string(status) + "\n";
  std::string out = text(json, "detail") + "\n";
  if (json.contains("errors"))
    for (const Json& error : json["errors"]) out += "  " + text_of(error) + "\n";
  return out;
}

std::string status_view(std::string_view body) {
  const Json json = Json::parse(body);
  std::string out = "envgate " + text(json, "version") + ", pid " + text(json, "pid") + ", up " +
                    human_seconds(json.at("uptime_seconds").get<double>()) + " (since " +
                    text(json, "started") + ")\n";
  out += readiness_lines(json);
  out += labelled("domain", text(json, "domain"));
  out += labelled("listeners", listener_line(json.at("listeners")));
  const std::string sessions = counts(json.at("sessions"));
  out += labelled("connections", human_count(json.at("connections").get<std::uint64_t>()) +
                                     (sessions.empty() ? "" : " (" + sessions + ")"));
  out += routing_lines(json.at("routing"));
  for (const Json& certificate : json.at("certificates")) {
    const double left = certificate.at("expires_in_seconds").get<double>();
    const std::string when =
        left < 0 ? "EXPIRED " + human_seconds(-left) + " ago" : "expires in " + human_seconds(left);
    out += labelled("certificate", joined(certificate.at("names")) + ": " + when + " (" +
                                       text(certificate, "expires") + ")");
  }
  return out + "\n" + workers_table(json.at("workers"));
}

std::string health_view(std::string_view body) {
  const Json json = Json::parse(body);
  std::string out = json.at("ready") == true ? "ready\n" : "not ready\n";
  for (const Json& reason : json.at("reasons")) out += "  " + text_of(reason) + "\n";
  for (const Json& warning : json.at("warnings")) out += "  warning: " + text_of(warning) + "\n";
  return out;
}

std::string ssh_keys_view(std::string_view body) {
  const Json json = Json::parse(body);
  std::string out;
  if (json.at("known_hosts").is_null())
    out += "# no port is shared by all environments: set ssh.audited.bind, or name one environment\n";
  else
    out += "# for customers' known_hosts\n" + text(json, "known_hosts") + "\n";
  if (json.at("entry").is_null() && !json.at("user_ca").is_null())
    out += "# for the targets' TrustedUserCAKeys\n" + text(json, "user_ca") + "\n";
  return out;
}

std::string killed_view(std::string_view body) {
  return "session " + text(Json::parse(body), "killed") + " ended\n";
}

std::string drain_view(std::string_view body) {
  const Json json = Json::parse(body);
  const auto connections = json.at("connections").get<std::uint64_t>();
  return "draining: no new connection is taken; " + human_count(connections) +
         (connections == 1 ? " connection has" : " connections have") + " up to " +
         human_seconds(json.at("limit_seconds").get<double>()) + " to end\n";
}

std::string changes_view(std::string_view body) {
  const Json json = Json::parse(body);
  std::string out;
  const auto line = [](const Json& change) {
    return text(change, "key") + ": " + text(change, "before") + " -> " + text(change, "after") + "\n";
  };
  for (const Json& change : json.at("live")) out += line(change);
  for (const Json& change : json.at("restart")) out += "needs a restart: " + line(change);
  return out.empty() ? "reloaded; no setting has changed\n" : out;
}

std::string pretty(std::string_view json) { return Json::parse(json).dump(2) + "\n"; }

std::string value_body(std::string_view value) {
  return Json{{"value", std::string(value)}}.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace envgate::cli
