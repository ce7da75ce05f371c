// The data plane's metrics, each looked up once. Thread: any.
#pragma once

#include "base/metrics.hpp"
#include "gateway/guard.hpp"
#include "gateway/session.hpp"

namespace envgate::gateway {

struct Metrics {
  Metrics();

  metrics::Counter& connections(Protocol protocol) {
    return *connections_[static_cast<std::size_t>(protocol)];
  }
  metrics::Gauge& active(Protocol protocol) { return *active_[static_cast<std::size_t>(protocol)]; }
  // Refusals by reason: a literal from a fixed set, never a peer's text. Slow path: looks the name up.
  static void refused(std::string_view reason);
  // Its series is there, at 0: of one that comes into being with its first count, increase() sees nothing.
  static void expect_refusals(std::string_view reason);
  static void response(int status);
  // Logins to audited sessions: "success", or the reason of a failure, a literal.
  static void ssh_login(std::string_view result);

  metrics::Counter& bytes_to_target;
  metrics::Counter& bytes_to_client;
  metrics::Counter& requests;
  metrics::Histogram& request_seconds;
  metrics::Histogram& target_head_seconds;
  metrics::Histogram& handshake_seconds;
  metrics::Counter& handshakes_full;
  metrics::Counter& handshakes_resumed;
  metrics::Counter& handshakes_failed;
  metrics::Counter& target_connects;
  metrics::Counter& target_connect_failures;
  metrics::Counter& target_reuses;
  metrics::Gauge& port_listeners;
  metrics::Counter& reloads_good;
  metrics::Counter& reloads_bad;

 private:
  metrics::Counter* connections_[kProtocols];
  metrics::Gauge* active_[kProtocols];
};

Metrics& the_metrics();

// Counts a connection of a protocol, in all and while it lives.
class ActiveConnection {
 public:
  explicit ActiveConnection(Protocol protocol);
  ~ActiveConnection() { gauge_.add(-1); }
  ActiveConnection(const ActiveConnection&) = delete;
  ActiveConnection& operator=(const ActiveConnection&) = delete;

 private:
  metrics::Gauge& gauge_;
};

}  // namespace envgate::gateway
