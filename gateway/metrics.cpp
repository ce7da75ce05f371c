#include "gateway/metrics.hpp"

#include <array>
#include <string>

namespace envgate::gateway {

using metrics::counter;
using metrics::gauge;
using metrics::histogram;

Metrics::Metrics()
    : bytes_to_target(counter("envgate_bytes_total", "Payload bytes relayed.", {{"direction", "to_target"}})),
      bytes_to_client(counter("envgate_bytes_total", "Payload bytes relayed.", {{"direction", "to_client"}})),
      requests(counter("envgate_http_requests_total", "HTTP requests, answered or refused.")),
      request_seconds(histogram("envgate_http_request_seconds",
                                "From a request's head to the end of its answer.",
                                metrics::latency_bounds())),
      target_head_seconds(histogram("envgate_target_response_seconds",
                                    "From the request sent to the target's answer.",
                                    metrics::latency_bounds())),
      handshake_seconds(histogram("envgate_tls_handshake_seconds", "TLS handshakes that succeeded.",
                                  metrics::latency_bounds())),
      handshakes_full(counter("envgate_tls_handshakes_total", "TLS handshakes.", {{"result", "full"}})),
      handshakes_resumed(counter("envgate_tls_handshakes_total", "TLS handshakes.", {{"result", "resumed"}})),
      handshakes_failed(counter("envgate_tls_handshakes_total", "TLS handshakes.", {{"result", "failed"}})),
      target_connects(counter("envgate_target_connects_total", "Connections opened to targets.")),
      target_connect_failures(
          counter("envgate_target_connect_failures_total", "Connections to targets that failed.")),
      target_reuses(counter("envgate_target_reuses_total", "Requests sent on a pooled connection.")),
      port_listeners(gauge("envgate_port_listeners", "Listening ports opened for routes.")),
      reloads_good(counter("envgate_reloads_total", "Reloads of the settings.", {{"result", "ok"}})),
      reloads_bad(counter("envgate_reloads_total", "Reloads of the settings.", {{"result", "failed"}})) {
  for (std::size_t i = 0; i < kProtocols; ++i) {
    const auto name = to_string(static_cast<Protocol>(i));
    connections_[i] = &counter("envgate_connections_total", "Client connections.", {{"protocol", name}});
    active_[i] = &gauge("envgate_connections", "Client connections open now.", {{"protocol", name}});
  }
}

namespace {
metrics::Counter& refusals(std::string_view reason) {
  return counter("envgate_refusals_total", "Connections and requests refused, by reason.",
                 {{"reason", reason}});
}
}  // namespace

void Metrics::refused(std::string_view reason) { refusals(reason).add(); }
void Metrics::expect_refusals(std::string_view reason) { refusals(reason); }

void Metrics::ssh_login(std::string_view result) {
  counter("envgate_ssh_logins_total", "Logins to audited SSH sessions, by what came of them.",
          {{"result", result}})
      .add();
}

void Metrics::response(int status) {
  // One series per class, looked up once: a status is a peer's choice, its class is not.
  static const std::array<metrics::Counter*, 6> classes = [] {
    std::array<metrics::Counter*, 6> made{};
    for (int i = 0; i < 6; ++i)
      made[static_cast<std::size_t>(i)] =
          &counter("envgate_http_responses_total", "HTTP responses sent, by class.",
                   {{"code", i == 0 ? "none" : std::to_string(i) + "xx"}});
    return made;
  }();
  const int which = status >= 100 && status < 600 ? status / 100 : 0;
  classes[static_cast<std::size_t>(which)]->add();
}

ActiveConnection::ActiveConnection(Protocol protocol) : gauge_(the_metrics().active(protocol)) {
  the_metrics().connections(protocol).add();
  gauge_.add(1);
}

Metrics& the_metrics() {
  static Metrics instance;
  return instance;
}

}  // namespace envgate::gateway
