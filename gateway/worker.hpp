// One reactor and everything that lives on its thread: its way into the route table, its sessions, its TLS
// contexts, its pool of target connections. Workers share nothing but what Shared holds, all of it made for
// it.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <thread>

#include "gateway/access_log.hpp"
#include "gateway/guard.hpp"
#include "gateway/loop/reactor.hpp"
#include "gateway/loop/scope.hpp"
#include "gateway/net/listener.hpp"
#include "gateway/net/socket.hpp"
#include "gateway/relay/throttle.hpp"
#include "gateway/session.hpp"
#include "gateway/settings.hpp"
#include "routing/table.hpp"

namespace envgate::routing {
class Router;
class Domain;
class TicketKey;
}  // namespace envgate::routing
namespace envgate::net {
class TlsServer;
class TlsClient;
class TlsLibrary;
}  // namespace envgate::net
namespace envgate::http {
class TargetPool;
}
namespace envgate::ssh::monitor {
class Audited;
}

namespace envgate::gateway {

class UsedTickets;

// Requires: outlives every Worker.
struct Shared {
  routing::Router& router;
  const routing::Domain& domain;
  Guard& guard;
  UsedTickets& used_tickets;
  ssh::monitor::Audited* audited;  // null where audited sessions are not served
};

class Worker final : loop::IdleObserver {
 public:
  Worker(unsigned index, const Shared& shared, GatewaySettingsPtr settings);
  ~Worker();

  const unsigned index;
  const Shared& shared;
  loop::Reactor reactor;
  std::unique_ptr<routing::Reader> routes;
  GatewaySettingsPtr settings;  // replaced by a reload; hold a copy across a suspension where both must agree
  AccessLog access_log;
  Sessions sessions;
  std::unique_ptr<net::TlsLibrary> tls_library;
  std::shared_ptr<net::TlsServer> tls;  // null where https is off
  std::unique_ptr<net::TlsClient> tls_client;
  std::shared_ptr<const routing::TicketKey> ticket_key;  // null where private ports are closed
  std::unique_ptr<http::TargetPool> pool;
  loop::Scope connections;
  bool draining = false;

  // Thread: any.
  unsigned load() const { return load_.load(std::memory_order_relaxed); }

  // Starts a task that serves a client; it counts as load while it runs.
  void serve(loop::Task<void> task);

  net::KeepAlive keep_alive() const;

 private:
  void before_wait() override { routes->offline(); }
  void after_wait() override { routes->online(); }
  loop::Task<void> counted(loop::Task<void> task);

  std::atomic<unsigned> load_{0};
};

// For one connection to `route`: what holds it to limits.bandwidth; empty where the route has none.
relay::Throttle throttle_of(Worker& worker, const routing::Route& route);

// Finds an environment's route, asking the source where the table does not have it.
struct Lookup {
  enum class Outcome : std::uint8_t { found, absent, unavailable } outcome = Outcome::absent;
  routing::RoutePtr route;
};
loop::Task<Lookup> find_route(Worker& worker, routing::EnvId env);

// The client's address as a trusted load balancer in front says it (PROXY protocol), or the connection's own.
// Errors: no good header within the deadline.
loop::Task<Result<Endpoint>> client_address(Worker& worker, net::Socket& socket, Endpoint peer);

}  // namespace envgate::gateway
