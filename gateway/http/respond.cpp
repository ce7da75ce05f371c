#include "gateway/http/respond.hpp"

#include <openssl/rand.h>

#include <algorithm>
#include <string>

#include "gateway/http/forward.hpp"
#include "gateway/http/private_port.hpp"
#include "gateway/http/tunnel.hpp"
#include "gateway/http/websocket.hpp"
#include "gateway/metrics.hpp"
#include "gateway/used_tickets.hpp"
#include "gateway/waking.hpp"
#include "routing/names.hpp"

namespace envgate::http {
namespace {

using gateway::Refusal;
using gateway::Worker;

constexpr std::uint32_t kLookAgainSeconds = 2;  // between two loads of the page of an environment that starts

// Where a request goes, or why it does not.
struct Decision {
  bool allowed = false;
  ErrorKind error = ErrorKind::unknown_environment;
  std::string_view reason = "unknown_environment";
  std::uint32_t retry_after = 5;
  std::string detail;
  std::string set_cookie;  // not empty: a ticket has opened the port
  routing::HostName name;
  ForwardTarget target;
  gateway::Permit permit;
};

void refuse(Decision& decision, ErrorKind error, std::string_view reason, std::uint32_t retry_after = 5) {
  decision.allowed = false;
  decision.detail.clear();
  decision.error = error;
  decision.reason = reason;
  decision.retry_after = retry_after;
}

// The declared port, or for a route that declares none one of http.default_ports.
bool find_port(const Worker& worker, const routing::Route& route, std::uint16_t port,
               routing::HttpPort& out) {
  const routing::Services& services = route.services();
  if (services.http_declared) {
    const routing::HttpPort* const declared = services.find_http(port);
    if (declared) out = *declared;
    return declared != nullptr;
  }
  const auto& defaults = worker.settings->http.default_ports;
  out = {port, port, routing::Scheme::http, routing::Access::open};
  return std::find(defaults.begin(), defaults.end(), port) != defaults.end();
}

// True if the request may pass. Without a key private ports are closed to all.
bool may_enter(Worker& worker, const RequestHead& request, Decision& decision) {
  if (decision.target.port.access != routing::Access::restricted) return true;
  if (!worker.ticket_key) {
    refuse(decision, ErrorKind::port_not_open, "port_not_public");
    return false;
  }
  using std::chrono::seconds;
  const PrivateDoor door{*worker.ticket_key, worker.shared.used_tickets,
                         std::chrono::duration_cast<seconds>(worker.settings->private_ports.cookie_lifetime)};
  const auto now = std::chrono::floor<seconds>(std::chrono::system_clock::now());
  Passage passage = check_private(door, request, decision.name, now);
  if (passage.outcome == Passage::Outcome::passes) return true;
  refuse(decision, passage.error, passage.reason, 1);
  decision.set_cookie = std::move(passage.set_cookie);
  return false;
}

// Everything about the route itself; true if the request may go to it.
bool check_route(Worker& worker, const RequestHead& request, const Client& client, Decision& decision) {
  const routing::Route& route = *decision.target.route;
  const routing::Services& services = route.services();
  if (!services.allows(client.peer.address)) {
    refuse(decision, ErrorKind::source_not_allowed, "source_not_allowed");
  } else if (!find_port(worker, route, decision.name.port, decision.target.port)) {
    refuse(decision, ErrorKind::port_not_open, "port_not_open");
  } else if (!may_enter(worker, request, decision)) {
    // Before the state, which is nobody's business who may not enter.
  } else if (route.state != routing::State::running) {
    refuse(decision, ErrorKind::stopped, route.state == routing::State::stopped ? "stopped" : "not_running",
           10);
  } else {
    const auto now = worker.reactor.now();
    Refusal refusal = worker.shared.guard.request(route.env, services.limits.requests_per_second, now);
    if (refusal == Refusal::none)
      refusal = worker.shared.guard.admit(route.env, services.limits.connections, now, decision.permit);
    if (refusal == Refusal::none) return true;
    refuse(decision, ErrorKind::too_many_requests, to_string(refusal), 1);
  }
  return false;
}

// A sleeping environment is started by whoever may see it; he is told how far it is.
loop::Task<void> wake(Worker& worker, const Client& client, Decision& decision) {
  std::string why = "https from " + client.address;
  const auto asked = co_await gateway::ask_to_wake(worker, decision.target.route->env, std::move(why));
  refuse(decision, asked ? ErrorKind::waking : ErrorKind::waking_failed, asked ? "waking" : "waking_failed",
         asked ? kLookAgainSeconds : 30);
  decision.detail = asked ? *asked : asked.error().message;
}

loop::Task<void> decide(Worker& worker, const RequestHead& request, const Client& client,
                        Decision& decision) {
  // Before any look-up: a stranger who guesses names pays for the guesses.
  const Refusal refusal = worker.shared.guard.request(client.peer.address, worker.reactor.now());
  if (refusal != Refusal::none)
    co_return refuse(decision, ErrorKind::too_many_requests, to_string(refusal), 1);
  const auto name = worker.shared.domain.parse(request.authority.host);
  if (!name || name->kind != routing::HostName::Kind::container)
    co_return refuse(decision, ErrorKind::unknown_environment, "unknown_host");
  decision.name = *name;
  if (request.upgrade == Upgrade::websocket) {
    const Verdict verdict = check_websocket_request(request);
    if (!verdict.ok()) co_return refuse(decision, kind_of(verdict.status), verdict.reason);
  }
  if (const routing::Route* const route = worker.routes->find(name->env)) {
    decision.target.route = routing::RoutePtr(route);
  } else {
    gateway::Lookup lookup = co_await gateway::find_route(worker, name->env);
    if (lookup.outcome == gateway::Lookup::Outcome::unavailable)
      co_return refuse(decision, ErrorKind::draining, "routes_unavailable");
    if (lookup.outcome == gateway::Lookup::Outcome::absent)
      co_return refuse(decision, ErrorKind::unknown_environment, "unknown_environment");
    decision.target.route = std::move(lookup.route);
  }
  decision.allowed = check_route(worker, request, client, decision);
  if (decision.error == ErrorKind::stopped && gateway::sleeps(worker, *decision.target.route))
    co_await wake(worker, client, decision);
}

void log_request(Worker& worker, const Exchange& exchange, const gateway::Session& session,
                 const Client& client, const Decision& decision, const Forwarded& done,
                 std::string_view request_id, loop::Time began) {
  gateway::Metrics& metrics = gateway::the_metrics();
  const loop::Clock::duration took = worker.reactor.now() - began;
  metrics.requests.add();
  gateway::Metrics::response(done.status);
  if (!done.tunnel) metrics.request_seconds.observe(std::chrono::duration<double>(took).count());
  metrics.bytes_to_target.add(done.to_target);
  metrics.bytes_to_client.add(done.to_client);
  if (!gateway::AccessLog::enabled()) return;
  const RequestHead& request = exchange.request();
  auto line = worker.access_log.line(done.tunnel ? "websocket" : "http_request", decision.name.env.view(),
                                     decision.target.route.get(), client.address, done.result);
  // The query is left out: Jupyter and its like put access tokens there.
  line->text("method", request.method_name)
      .text("host", request.authority.text)
      .text("path", request.path)
      .text("protocol", version_text(request.version))
      .number("port", decision.name.port)
      .number("code", done.status)
      .number("bytes_to_target", static_cast<std::int64_t>(done.to_target))
      .number("bytes_to_client", static_cast<std::int64_t>(done.to_client))
      .seconds("duration", took)
      .text("request_id", request_id)
      .number("session", static_cast<std::int64_t>(session.id));
}

loop::Task<void> answer_opened(Exchange& exchange, const Decision& decision, std::string_view request_id,
                               Forwarded& done) {
  done.result = decision.reason;
  done.status = kOpenedStatus;
  const bool again = co_await send_opened(exchange, decision.set_cookie, request_id);
  if (!again) done.reusable = false;
}

loop::Task<void> answer_refused(Exchange& exchange, const Decision& decision, std::string_view request_id,
                                Forwarded& done) {
  gateway::Metrics::refused(decision.reason);
  done.result = decision.reason;
  done.status = status_of(decision.error);
  ErrorContext context;
  context.environment = decision.name.env.view();
  context.port = decision.name.port;
  context.request_id = request_id;
  context.retry_after = decision.retry_after;
  context.detail = decision.detail;
  if (const Field* accept = find_field(exchange.request().fields, FieldId::accept))
    context.accept = accept->value;
  const bool sent = co_await exchange.send_error(decision.error, context);
  if (!sent || !exchange.body_ended()) done.reusable = false;
}

}  // namespace

RequestId::RequestId() {
  static constexpr char kHex[] = "0123456789abcdef";
  thread_local std::uint64_t next = [] {
    std::uint64_t seed = 0;
    RAND_bytes(reinterpret_cast<unsigned char*>(&seed), sizeof(seed));
    return seed;
  }();
  // Every number once, in an order that looks random (a bijection, splitmix64's): sequence is nobody's
  // business.
  std::uint64_t z = next += 0x9e3779b97f4a7c15ull;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
  z ^= z >> 31;
  for (char& digit : text_) {
    digit = kHex[z >> 60];
    z <<= 4;
  }
}

loop::Task<bool> respond(Worker& worker, gateway::Session& session, Exchange& exchange,
                         const Client& client) {
  const loop::Time began = worker.reactor.now();
  const RequestId request_id;
  ++session.requests;
  Forwarded done;
  Decision decision;
  co_await decide(worker, exchange.request(), client, decision);
  if (decision.allowed) {
    session.route = decision.target.route;
    co_await forward(worker, session, exchange, client, decision.target, request_id, done);
    if (done.tunnel_target) co_await run_tunnel(worker, session, exchange, *decision.target.route, done);
  } else if (!decision.set_cookie.empty()) {
    co_await answer_opened(exchange, decision, request_id, done);
  } else {
    co_await answer_refused(exchange, decision, request_id, done);
  }
  log_request(worker, exchange, session, client, decision, done, request_id, began);
  co_return done.reusable;
}

void log_unrouted(Worker& worker, const Client& client, int status, std::string_view reason,
                  std::string_view request_id) {
  if (status >= 400) gateway::Metrics::refused(reason);
  gateway::the_metrics().requests.add();
  gateway::Metrics::response(status);
  if (!gateway::AccessLog::enabled()) return;
  auto line = worker.access_log.line("http_request", "", nullptr, client.address, reason);
  line->number("code", status).text("request_id", request_id);
}

}  // namespace envgate::http
