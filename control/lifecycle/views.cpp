#include "control/lifecycle/views.hpp"

#include <algorithm>

#include "control/lifecycle/fields.hpp"
#include "control/lifecycle/spec.hpp"
#include "routing/timestamp.hpp"

namespace envgate::control {
namespace {

using nlohmann::json;

json parsed(const std::string& text, json otherwise) {
  json tree = json::parse(text, nullptr, false);
  return tree.is_discarded() ? otherwise : tree;
}

json time_or_null(long long milliseconds) {
  return milliseconds == 0 ? json(nullptr) : json(timestamp_of(milliseconds));
}

json text_or_null(const std::string& text) { return text.empty() ? json(nullptr) : json(text); }

}  // namespace

std::string port_url(const std::string& id, std::uint16_t port, const ControlSettings& settings) {
  const std::string host = id + "-" + std::to_string(port) + ".container." + settings.domain;
  const std::uint16_t https = settings.control.gateway.https_port;
  return "https://" + host + (https == 443 ? "" : ":" + std::to_string(https)) + "/";
}

std::string_view type_of(const store::Environment& e) {
  return e.backend == "physical" ? "physical" : "container";
}

std::string timestamp_of(long long milliseconds) {
  std::string text = routing::format_timestamp(milliseconds / 1000);  // "...:00Z"
  const std::string fraction = std::to_string(1000 + milliseconds % 1000);
  text.replace(text.size() - 1, 1, "." + fraction.substr(1) + "Z");
  return text;
}

json environment_view(const store::Environment& e, const std::string& domain) {
  return {{"id", e.id},
          {"name", e.name},
          {"owner", e.owner},
          {"backend", e.backend},
          {"type", type_of(e)},
          {"node", e.node},
          {"generation", e.generation},
          {"version", e.version},
          {"desired", store::to_string(e.desired)},
          {"state", store::to_string(e.state)},
          {"conditions", parsed(e.conditions, json::array())},
          {"spec", parsed(e.spec, json::object())},
          {"policy", parsed(e.policy, json::object())},
          {"ssh_host", e.id + ".ssh." + domain},
          {"ssh_port", e.ssh_port},
          {"target_ip", text_or_null(e.address)},
          {"image_digest", text_or_null(e.image_digest)},
          {"created_at", timestamp_of(e.created)},
          {"updated_at", timestamp_of(e.updated)},
          {"started_at", time_or_null(e.started)},
          {"deleted_at", time_or_null(e.deleted)}};
}

json operation_view(const store::Operation& o) {
  json view = {{"id", o.id},
               {"environment", o.environment},
               {"kind", o.kind},
               {"state", store::to_string(o.state)},
               {"progress", {{"step", ""}, {"detail", ""}, {"done", 0}, {"total", 0}}},
               {"steps", parsed(o.steps, json::array())},
               {"error", o.error.empty() ? json(nullptr) : parsed(o.error, nullptr)},
               {"created_at", timestamp_of(o.created)},
               {"updated_at", timestamp_of(o.updated)}};
  view["progress"].update(parsed(o.progress, json::object()));
  return view;
}

json connection_view(const store::Environment& e, const ControlSettings& settings) {
  const Spec spec = stored_spec(e);
  const bool jupyter = std::any_of(spec.ports.begin(), spec.ports.end(), [](const PortSpec& p) {
    return p.port == 8888 && p.access != PortSpec::Access::tcp;
  });
  return {{"environment_id", e.id},
          {"type", type_of(e)},
          {"ssh_host", e.id + ".ssh." + settings.domain},
          {"ssh_port", e.ssh_port},
          {"ssh_username", spec.ssh_user},
          {"target_ip", text_or_null(e.address)},
          {"jupyter_url", jupyter ? json(port_url(e.id, 8888, settings)) : json(nullptr)},
          {"created_at", timestamp_of(e.created)}};
}

json access_view(const Access& access, const ControlSettings& settings) {
  const store::Environment& e = access.environment;
  json view = connection_view(e, settings);
  view["ssh_password"] = access.password.reveal();
  view["urls"] = json::array();
  for (const PortSpec& p : stored_spec(e).ports) {
    if (p.access == PortSpec::Access::tcp) continue;
    view["urls"].push_back({{"port", p.port},
                            {"access", p.access == PortSpec::Access::restricted ? "private" : "public"},
                            {"url", port_url(e.id, p.port, settings)}});
  }
  const std::string port = std::to_string(e.ssh_port);
  const std::string at = view["ssh_username"].get<std::string>() + "@" + view["ssh_host"].get<std::string>();
  view["commands"] = {{"ssh", "ssh " + at + " -p " + port},
                      {"scp", "scp -P " + port + " FILE " + at + ":"},
                      {"sftp", "sftp -P " + port + " " + at},
                      {"rsync", "rsync -e 'ssh -p " + port + "' FILE " + at + ":"},
                      {"vscode", "code --remote ssh-remote+" + at + ":" + port + " /root"}};
  return view;
}

json machine_view(const store::PoolMachine& m) {
  const bool lost = !m.reachable &&
                    (m.state == store::MachineState::available || m.state == store::MachineState::allocated);
  return {
      {"name", m.name},
      {"region", m.region},
      {"gpu_model", m.gpu_model},
      {"gpus", m.gpus},
      {"cpu", m.cpu},
      {"memory", m.memory_bytes},
      {"disk", m.disk_bytes},
      {"price_per_month", m.price},
      {"address", m.address},
      {"ssh_port", m.ssh_port},
      {"user", m.admin_user},
      {"admin_key", m.admin_key},
      {"host_keys", parsed(m.host_keys, json::array())},
      {"labels", parsed(m.labels, json::object())},
      {"state", lost && m.state == store::MachineState::available ? "unreachable"
                                                                  : std::string(store::to_string(m.state))},
      {"reachable", m.reachable},
      {"reason", m.reason},
      {"environment", text_or_null(m.environment)},
      {"version", m.version},
      {"created_at", timestamp_of(m.created)},
      {"updated_at", timestamp_of(m.updated)},
      {"checked_at", time_or_null(m.checked)}};
}

json quota_view(const std::string& owner, const store::Quota& quota, const store::Quota& used) {
  const auto amounts = [](const store::Quota& q) -> json {
    return {{"cpu", static_cast<double>(q.most.cpu_millis) / 1000.0},
            {"memory", q.most.memory_bytes},
            {"gpu", q.most.gpus},
            {"storage", q.most.storage_bytes},
            {"environments", q.environments}};
  };
  json view = amounts(quota);
  view["owner"] = owner;
  view["used"] = amounts(used);
  return view;
}

json event_view(const store::Event& event) {
  return {{"id", event.seq},
          {"at", timestamp_of(event.at)},
          {"environment", event.environment},
          {"kind", event.kind},
          {"body", parsed(event.body, json::object())}};
}

std::string set_condition(const std::string& conditions, const std::string& type, const std::string& status,
                          const std::string& reason, const std::string& message, long long now) {
  json all = parsed(conditions, json::array());
  json made = {{"type", type},
               {"status", status},
               {"reason", reason},
               {"message", message},
               {"since", timestamp_of(now)}};
  for (json& condition : all) {
    if (condition.value("type", "") != type) continue;
    if (condition.value("status", "") == status) made["since"] = condition.value("since", timestamp_of(now));
    condition = std::move(made);
    return write_json(all);
  }
  all.push_back(std::move(made));
  return write_json(all);
}

}  // namespace envgate::control
