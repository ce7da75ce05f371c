#include "gateway/admin/gauges.hpp"

#include <array>
#include <limits>

#include "gateway/admin/context.hpp"
#include "gateway/admin/process_facts.hpp"
#include "gateway/admin/readiness.hpp"
#include "gateway/admin/sessions.hpp"
#include "gateway/gateway.hpp"
#include "gateway/net/tls_context.hpp"

namespace envgate::admin {
namespace {

using metrics::gauge;

std::int64_t as_gauge(std::uint64_t value) { return static_cast<std::int64_t>(value); }
double seconds(std::chrono::nanoseconds time) { return std::chrono::duration<double>(time).count(); }

}  // namespace

Gauges::Real& Gauges::real(std::string_view name, std::string_view help, std::string_view label,
                           std::string_view value) {
  const std::string key = std::string(name) + "{" + std::string(value);
  const auto found = reals_.find(key);
  if (found != reals_.end()) return found->second;
  Real made = std::make_shared<std::atomic<double>>(0);
  const auto read = [made] { return made->load(std::memory_order_relaxed); };
  if (label.empty())
    metrics::gauge_function(name, help, read);
  else
    metrics::gauge_function(name, help, read, {{label, value}});
  return reals_.emplace(key, std::move(made)).first->second;
}

void Gauges::refresh(Context& context) {
  refresh_workers(context);
  refresh_routes(context);
  refresh_certificates(context);
  refresh_process(context);
}

void Gauges::refresh_workers(Context& context) {
  const auto facts = context.workers();
  std::uint64_t pooled = 0;
  for (std::size_t i = 0; i < facts.size(); ++i) {
    const std::string index = std::to_string(i);
    gauge("envgate_worker_connections", "Client connections, by worker.", {{"worker", index}})
        .set(facts[i].connections);
    gauge("envgate_worker_responsive", "1 where the worker answered within two seconds.", {{"worker", index}})
        .set(facts[i].answered);
    *real("envgate_reactor_longest_turn_seconds",
          "The longest turn of a worker's loop since the last scrape: its lag.", "worker", index) =
        seconds(facts[i].longest_turn);
    pooled += facts[i].pooled;
  }
  context.turns.assign(context.turns.size(), {});
  gauge("envgate_target_pool_connections", "Idle connections to targets, kept for the next request.")
      .set(as_gauge(pooled));

  std::array<std::int64_t, gateway::kProtocols> by_protocol{};
  for (const SessionFacts& session : collect_sessions(context.gateway.workers(), {}))
    ++by_protocol[static_cast<std::size_t>(session.protocol)];
  for (std::size_t i = 0; i < by_protocol.size(); ++i)
    gauge("envgate_sessions", "Sessions now, by protocol.",
          {{"protocol", to_string(static_cast<gateway::Protocol>(i))}})
        .set(by_protocol[i]);
  gauge("envgate_guard_tracked", "Sources and environments that the limits keep an account of.")
      .set(as_gauge(context.gateway.guard().tracked()));
}

void Gauges::refresh_routes(Context& context) {
  const routing::RouterStatus status = context.gateway.router().status();
  gauge("envgate_routes", "Routes that are served.").set(as_gauge(status.routes));
  gauge("envgate_route_source_connected", "1 while the route source can be reached.").set(status.connected);
  gauge("envgate_route_source_epoch", "Connections to (redis) or loads of (file) the route source so far.")
      .set(as_gauge(status.epoch));
  *real("envgate_route_age_seconds", "Since the route source was last heard; NaN if never.") =
      ever_heard(status) ? seconds(status.age) : std::numeric_limits<double>::quiet_NaN();
  for (const auto state : {routing::SourceState::loading, routing::SourceState::live,
                           routing::SourceState::stale, routing::SourceState::down})
    gauge("envgate_route_source_state", "1 for the state that the route source is in.",
          {{"state", to_string(state)}})
        .set(status.state == state);
  for (const auto& [reason, series] : refused_) series->set(0);
  for (const auto& [reason, count] : status.refused) {
    metrics::Gauge& series =
        gauge("envgate_routes_refused", "Routes that are refused now, by reason.", {{"reason", reason}});
    series.set(as_gauge(count));
    refused_[reason] = &series;
  }
  const Readiness state = readiness(context.gateway.serving(), context.gateway.draining(), status);
  gauge("envgate_ready", "1 where /readyz says yes.").set(state.ready());
  gauge("envgate_draining", "1 while no new connections are taken.").set(context.gateway.draining());
}

void Gauges::refresh_certificates(Context& context) {
  for (metrics::Gauge* const series : certificates_) series->set(0);
  const auto certificates = context.gateway.certificates();
  if (!certificates) return;
  std::size_t index = 0;
  certificates_.clear();
  for (const auto& entry : certificates->entries()) {
    metrics::Gauge& series =
        gauge("envgate_certificate_expiry_timestamp_seconds",
              "When a certificate ends, by its place in https.certificates; 0: no longer there.",
              {{"certificate", std::to_string(index++)}});
    series.set(std::chrono::duration_cast<std::chrono::seconds>(entry.expires.time_since_epoch()).count());
    certificates_.push_back(&series);
  }
}

void Gauges::refresh_process(Context&) {
  const ProcessFacts facts = read_process_facts();
  gauge("process_open_fds", "Open file descriptors.").set(as_gauge(facts.open_fds));
  gauge("process_max_fds", "The most file descriptors that may be open.").set(as_gauge(facts.max_fds));
  gauge("process_resident_memory_bytes", "Resident memory.").set(as_gauge(facts.resident_bytes));
  gauge("process_virtual_memory_bytes", "Virtual memory.").set(as_gauge(facts.virtual_bytes));
  *real("process_start_time_seconds", "When the process began, since 1970.") = facts.started;
  *real("envgate_process_cpu_seconds", "User and system time that the process has used.") = facts.cpu_seconds;
  gauge("envgate_build_info", "Always 1; what runs is in the labels.", {{"version", running_version()}})
      .set(1);
}

}  // namespace envgate::admin
