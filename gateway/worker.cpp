#include "gateway/worker.hpp"

#include <sys/socket.h>

#include <array>

#include "gateway/http/target_pool.hpp"
#include "gateway/loop/event.hpp"
#include "gateway/net/proxy_protocol.hpp"
#include "gateway/net/tls_context.hpp"
#include "routing/router.hpp"

namespace envgate::gateway {

Worker::Worker(unsigned number, const Shared& common, GatewaySettingsPtr initial)
    : index(number),
      shared(common),
      routes(common.router.make_reader()),
      settings(std::move(initial)),
      access_log(reactor),
      sessions(number),
      tls_library(std::make_unique<net::TlsLibrary>()),
      tls_client(std::make_unique<net::TlsClient>()),
      pool(std::make_unique<http::TargetPool>(*this)) {
  reactor.observe_idle(this);
}

Worker::~Worker() { connections.cancel(); }

loop::Task<void> Worker::counted(loop::Task<void> task) {
  load_.fetch_add(1, std::memory_order_relaxed);
  struct Leave {
    std::atomic<unsigned>& load;
    ~Leave() { load.fetch_sub(1, std::memory_order_relaxed); }
  } leave{load_};
  co_await std::move(task);
}

void Worker::serve(loop::Task<void> task) { connections.start(counted(std::move(task))); }

net::KeepAlive Worker::keep_alive() const {
  net::KeepAlive keep_alive;
  keep_alive.idle = std::chrono::duration_cast<std::chrono::seconds>(settings->tcp.keepalive);
  return keep_alive;
}

namespace {

// Where the routing thread leaves its answer for a task that may be gone by then.
struct Mailbox {
  explicit Mailbox(loop::Reactor& reactor) : arrived(reactor) {}
  loop::Event arrived;
  routing::Resolution resolution;
  bool abandoned = false;
};

}  // namespace

relay::Throttle throttle_of(Worker& worker, const routing::Route& route) {
  const std::uint64_t rate = route.services().limits.bandwidth;
  if (rate == 0) return {};
  return {worker.shared.guard.bandwidth(route.env), rate};
}

loop::Task<Lookup> find_route(Worker& worker, routing::EnvId env) {
  if (const routing::Route* const route = worker.routes->find(env))
    co_return Lookup{Lookup::Outcome::found, routing::RoutePtr(route)};
  if (worker.shared.router.known_absent(env)) co_return Lookup{Lookup::Outcome::absent, {}};
  const auto mailbox = std::make_shared<Mailbox>(worker.reactor);
  struct Abandon {
    Mailbox& box;
    ~Abandon() { box.abandoned = true; }
  } abandon{*mailbox};
  loop::Reactor& reactor = worker.reactor;
  const bool asked = worker.shared.router.resolve(env, [mailbox, &reactor](routing::Resolution resolution) {
    reactor.post([mailbox, resolution = std::move(resolution)] {
      mailbox->resolution = resolution;
      if (!mailbox->abandoned) mailbox->arrived.set();
    });
  });
  if (!asked) co_return Lookup{Lookup::Outcome::unavailable, {}};
  co_await mailbox->arrived.wait();
  Lookup lookup;
  switch (mailbox->resolution.outcome) {
    case routing::Resolution::Outcome::found: lookup.outcome = Lookup::Outcome::found; break;
    case routing::Resolution::Outcome::absent: lookup.outcome = Lookup::Outcome::absent; break;
    case routing::Resolution::Outcome::unavailable: lookup.outcome = Lookup::Outcome::unavailable; break;
  }
  lookup.route = mailbox->resolution.route;
  co_return lookup;
}

loop::Task<Result<Endpoint>> client_address(Worker& worker, net::Socket& socket, Endpoint peer) {
  if (!any_contains(worker.settings->proxy_protocol.trusted, peer.address)) co_return peer;
  const loop::Deadline deadline = worker.reactor.after(worker.settings->timeouts.handshake);
  for (;;) {
    // Peeked, so that exactly the header is taken and what follows stays in the socket (TLS reads it there).
    thread_local std::array<char, net::kProxyV2Max> seen;
    const net::IoResult peeked = socket.try_peek(seen);
    if (peeked.ok()) {
      const net::ProxyHeader header = net::parse_proxy_header({seen.data(), peeked.bytes});
      if (header.state == net::ProxyHeader::complete) {
        const ssize_t taken = ::recv(socket.fd(), seen.data(), header.consumed, 0);
        if (taken != static_cast<ssize_t>(header.consumed))
          co_return fail("PROXY header: the socket lost bytes");
        co_return header.has_addresses ? header.source : peer;
      }
      if (header.state == net::ProxyHeader::invalid)
        co_return fail("PROXY header: " + std::string(header.reason));
      socket.watch().clear(loop::Direction::read);
      if (socket.watch().ready(loop::Direction::read))
        co_return fail("PROXY header: the peer closed within it");
    } else if (peeked.status != net::IoStatus::blocked) {
      co_return fail("PROXY header: the peer closed before it");
    }
    const bool ready = co_await loop::WatchReady(socket.watch(), loop::Direction::read, deadline);
    if (!ready) co_return fail("PROXY header: none in time", ETIMEDOUT);
  }
}

}  // namespace envgate::gateway
