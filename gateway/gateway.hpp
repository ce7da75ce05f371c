// The whole data plane: binds, drops its rights, starts the routing engine and a worker per core, follows
// routes and settings while it runs, and drains. main() makes one; the admin socket asks it. Thread: main's,
// except where said.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "gateway/acceptor.hpp"
#include "gateway/guard.hpp"
#include "gateway/load_settings.hpp"
#include "gateway/port_listeners.hpp"
#include "gateway/used_tickets.hpp"
#include "gateway/worker.hpp"
#include "routing/names.hpp"
#include "routing/router.hpp"
#include "routing/tickets.hpp"

namespace envgate::net {
class Certificates;
class TicketKeys;
}  // namespace envgate::net

namespace envgate::admin {
class Server;
}

namespace envgate::ssh::monitor {
class Audited;
}

namespace envgate::ssh::recorder {
class Recorder;
}

namespace envgate::gateway {

using TicketKeyPtr = std::shared_ptr<const routing::TicketKey>;  // null where private ports are closed

class Gateway {
 public:
  Gateway(CommandLine line, settings::Texts variables, SnapshotPtr snapshot);
  ~Gateway();

  // Binds every listener, becomes `user`, starts the threads. Errors: what failed and its remedy; nothing
  // runs then.
  Result<void> start();

  // Reads settings, certificates and the ticket key again. On errors everything stays as it was; they are
  // logged and returned. Thread: any; one at a time (it locks).
  Result<settings::Changes> reload(const settings::Texts* api = nullptr);

  // New certificate files on disk are taken up without being asked. Called every few seconds.
  void refresh_certificates();

  // Stops accepting; what is there may finish. Idempotent. Thread: any.
  void drain();
  bool draining() const { return draining_.load(std::memory_order_acquire); }
  unsigned open_connections() const;  // Thread: any
  // Ends what is left; returns how many were cut.
  unsigned stop();

  // ---- for the admin API; Thread: any ----
  SnapshotPtr snapshot() const;
  const CommandLine& command_line() const { return line_; }
  routing::Router& router() { return *router_; }
  Workers& workers() { return workers_; }
  std::chrono::steady_clock::time_point started() const { return started_; }
  bool serving() const { return serving_.load(std::memory_order_acquire); }  // start() has succeeded
  std::shared_ptr<const net::Certificates> certificates() const;             // null where https is off
  const Guard& guard() const { return guard_; }
  ssh::recorder::Recorder* recorder() const { return recorder_.get(); }  // null: nothing can be recorded
  const ssh::monitor::Audited* audited() const { return audited_.get(); }  // null: not served
  const routing::Domain& domain() const { return domain_; }
  // Runs `ask` on a worker's thread and waits for it. Not from a worker's own thread.
  static void on_worker(Worker& worker, const std::function<void(Worker&)>& ask);

 private:
  Result<void> bind_listeners();
  Result<void> load_certificates(const GatewaySettings& settings);
  Result<void> drop_rights();
  Result<void> open_records(const GatewaySettings& settings);  // Requires: rights are dropped
  // Gives a worker what was loaded: certificates and ticket key. Thread: the worker's, or before it runs.
  void install_secrets(Worker& worker, const TicketKeyPtr& key);
  void install_tls(Worker& worker);
  void routes_changed(std::span<const routing::RouteChange> changes);
  void follow_routes(Worker& worker, const std::vector<routing::RouteChange>& changes);
  void finish_idle(Worker& worker);
  routing::RoutingSettings routing_settings(const GatewaySettings& settings) const;
  void publish(const SnapshotPtr& next, const TicketKeyPtr& key);

  const CommandLine line_;
  const settings::Texts variables_;
  std::chrono::steady_clock::time_point started_;
  mutable std::mutex settings_mutex_;  // snapshot_, api_, certificates_
  SnapshotPtr snapshot_;
  settings::Texts api_;
  std::shared_ptr<const net::Certificates> certificates_;
  std::string certificate_stamp_;
  std::shared_ptr<net::TicketKeys> tickets_;
  std::chrono::steady_clock::time_point tickets_rotated_;

  routing::Domain domain_;
  Guard guard_;
  UsedTickets used_tickets_;
  std::unique_ptr<ssh::monitor::Audited> audited_;  // null where ssh.audited is off
  std::unique_ptr<routing::Router> router_;
  std::unique_ptr<Shared> shared_;
  Workers workers_;
  std::vector<std::unique_ptr<Acceptor>> acceptors_;  // by worker's thread once started
  std::vector<std::unique_ptr<PortListeners>> port_listeners_;
  std::vector<std::thread> threads_;
  std::unique_ptr<ssh::recorder::Recorder> recorder_;
  std::unique_ptr<admin::Server> admin_;
  std::atomic<bool> draining_{false};
  std::atomic<bool> serving_{false};
};

}  // namespace envgate::gateway
