#include <unistd.h>

#include "gateway/admin/context.hpp"
#include "gateway/admin/json_writer.hpp"
#include "gateway/admin/operations.hpp"
#include "gateway/admin/readiness.hpp"
#include "gateway/admin/sessions.hpp"
#include "gateway/gateway.hpp"
#include "gateway/metrics.hpp"
#include "gateway/net/tls_context.hpp"

namespace envgate::admin {
namespace {

double seconds(std::chrono::nanoseconds time) { return std::chrono::duration<double>(time).count(); }

Readiness readiness_of(const gateway::Gateway& gateway, const routing::RouterStatus& routes) {
  return readiness(gateway.serving(), gateway.draining(), routes);
}

void write_texts(JsonWriter& json, std::string_view name, const std::vector<std::string>& texts) {
  json.key(name).begin_array();
  for (const std::string& text : texts) json.text(text);
  json.end_array();
}

void write_readiness(JsonWriter& json, const Readiness& state) {
  json.boolean("ready", state.ready());
  write_texts(json, "reasons", state.reasons);
  write_texts(json, "warnings", state.warnings);
}

void write_routing(JsonWriter& json, const routing::RouterStatus& routes) {
  json.key("routing").begin_object();
  json.text("source", source_name(routes.source)).text("state", to_string(routes.state));
  json.boolean("connected", routes.connected);
  json.key("age_seconds");
  if (ever_heard(routes))
    json.real(seconds(routes.age));
  else
    json.null();
  json.number("routes", routes.routes).key("refused").begin_object();
  for (const auto& [reason, count] : routes.refused) json.number(reason, count);
  json.end_object().number("epoch", routes.epoch).text("last_error", routes.last_error).end_object();
}

void write_listeners(JsonWriter& json, const gateway::GatewaySettings& settings) {
  json.key("listeners").begin_object();
  const std::pair<std::string_view, const std::optional<Endpoint>&> binds[] = {
      {"https", settings.https.bind}, {"http", settings.http.bind}, {"metrics", settings.metrics.bind}};
  for (const auto& [name, bind] : binds)
    if (bind) json.text(name, bind->to_string());
  json.number("route_ports", static_cast<std::uint64_t>(gateway::the_metrics().port_listeners.value()));
  json.end_object();
}

void write_workers(JsonWriter& json, const std::vector<WorkerFacts>& workers) {
  json.key("workers").begin_array();
  for (std::size_t i = 0; i < workers.size(); ++i) {
    const WorkerFacts& worker = workers[i];
    json.begin_object().number("worker", i).boolean("responsive", worker.answered);
    json.number("connections", worker.connections).number("sessions", worker.sessions);
    json.number("pooled_connections", worker.pooled)
        .real("longest_turn_seconds", seconds(worker.longest_turn))
        .end_object();
  }
  json.end_array();
}

void write_certificates(JsonWriter& json, const gateway::Gateway& gateway) {
  json.key("certificates").begin_array();
  const auto certificates = gateway.certificates();
  const auto now = std::chrono::system_clock::now();
  for (std::size_t i = 0; certificates && i < certificates->entries().size(); ++i) {
    const auto& entry = certificates->entries()[i];
    json.begin_object();
    write_texts(json, "names", entry.names);
    json.text("expires", timestamp(entry.expires))
        .real("expires_in_seconds", seconds(entry.expires - now))
        .end_object();
  }
  json.end_array();
}

void write_connections(JsonWriter& json, Context& context, const std::vector<SessionFacts>& sessions) {
  std::uint64_t by_protocol[5] = {};
  for (const SessionFacts& session : sessions) ++by_protocol[static_cast<std::size_t>(session.protocol)];
  json.number("connections", context.gateway.open_connections()).key("sessions").begin_object();
  for (std::size_t i = 0; i < std::size(by_protocol); ++i)
    json.number(to_string(static_cast<gateway::Protocol>(i)), by_protocol[i]);
  json.end_object().number("tracked_by_limits", context.gateway.guard().tracked());
}

}  // namespace

Response get_health(Context&, const Request& request) {
  if (auto refused = request.refuse_unknown({})) return *refused;
  JsonWriter json;
  json.begin_object().boolean("alive", true).end_object();
  return {200, "application/json", std::move(json).finish(), {}};
}

Response get_ready(Context& context, const Request&) {
  const Readiness state = readiness_of(context.gateway, context.gateway.router().status());
  JsonWriter json;
  json.begin_object();
  write_readiness(json, state);
  json.end_object();
  return {state.ready() ? 200 : 503, "application/json", std::move(json).finish(), {}};
}

Response get_metrics(Context& context, const Request&) {
  context.gauges.refresh(context);
  return {200, "text/plain; version=0.0.4; charset=utf-8", metrics::exposition(), {}};
}

Response get_status(Context& context, const Request& request) {
  if (auto refused = request.refuse_unknown({})) return *refused;
  const gateway::Gateway& gateway = context.gateway;
  const auto snapshot = gateway.snapshot();
  const auto uptime = std::chrono::steady_clock::now() - gateway.started();
  const routing::RouterStatus routes = context.gateway.router().status();
  JsonWriter json;
  json.begin_object()
      .text("version", running_version())
      .number("pid", static_cast<std::uint64_t>(::getpid()));
  json.text("started", timestamp(std::chrono::system_clock::now() -
                                 std::chrono::duration_cast<std::chrono::system_clock::duration>(uptime)));
  json.real("uptime_seconds", seconds(uptime)).text("domain", snapshot->values.domain);
  write_readiness(json, readiness_of(gateway, routes));
  json.boolean("draining", gateway.draining());
  write_listeners(json, snapshot->values);
  write_connections(json, context, collect_sessions(context.gateway.workers(), {}));
  write_workers(json, context.workers());
  write_routing(json, routes);
  write_certificates(json, gateway);
  json.end_object();
  return {200, "application/json", std::move(json).finish(), {}};
}

}  // namespace envgate::admin
