#include "gateway/ssh/passthrough.hpp"

#include <array>
#include <string>

#include "gateway/metrics.hpp"
#include "gateway/relay/relay.hpp"
#include "gateway/ssh/audited.hpp"
#include "gateway/waking.hpp"

namespace envgate::ssh {
namespace {

using gateway::Protocol;
using gateway::Refusal;
using gateway::Worker;

// One client connection on its way to a target, however it came in.
struct Visit {
  Worker& worker;
  Protocol protocol;
  Endpoint peer;
  routing::RoutePtr route;
  std::uint16_t target_port = 0;
  std::string_view service = "ssh";
  gateway::Permit permit;
};

void log_end(const Visit& visit, std::string_view status, const gateway::Session* session) {
  if (!gateway::AccessLog::enabled()) return;
  const std::string_view env = visit.route ? visit.route->env.view() : std::string_view();
  auto line =
      visit.worker.access_log.line(visit.protocol == Protocol::tcp ? "tcp_connection" : "ssh_connection", env,
                                   visit.route.get(), visit.peer.address.to_string(), status);
  line->number("source_port", visit.peer.port)
      .text("protocol", to_string(visit.protocol))
      .text("service", visit.service);
  if (!session) return;
  line->number("session", static_cast<std::int64_t>(session->id))
      .number("bytes_to_target", static_cast<std::int64_t>(session->progress.to_target))
      .number("bytes_to_client", static_cast<std::int64_t>(session->progress.to_client))
      .seconds("duration", visit.worker.reactor.now() - session->started);
}

// Tells an SSH client why, in a line before the identification, which RFC 4253 section 4.2 lets a server send
// and `ssh -v` shows; then closes.
void refuse(const Visit& visit, net::Stream& client, std::string_view reason, std::string_view text) {
  gateway::Metrics::refused(reason);
  log_end(visit, reason, nullptr);
  if (visit.protocol != Protocol::tcp && !text.empty()) {
    std::string line = "envgate: ";
    line.append(text).append("\r\n");
    const iovec piece{line.data(), line.size()};
    client.try_write({&piece, 1});
  }
  client.shutdown_write();
}

bool is_allowed_from(const Visit& visit, net::Stream& client) {
  if (visit.route->services().allows(visit.peer.address)) return true;
  refuse(visit, client, "source_not_allowed",
         "environment " + visit.route->env.str() + " does not allow your address");
  return false;
}

// The route's own say: is it there for this client? Refuses and returns false where not.
bool may_enter(Visit& visit, net::Stream& client) {
  const routing::Route& route = *visit.route;
  const std::string env = route.env.str();
  if (route.state != routing::State::running) {
    refuse(
        visit, client, route.state == routing::State::stopped ? "stopped" : "not_running",
        "environment " + env + " is " + std::string(to_string(route.state)) + "; start it and connect again");
    return false;
  }
  if (!is_allowed_from(visit, client)) return false;
  if (visit.protocol != Protocol::tcp && route.ssh.mode == routing::SshMode::audited) {
    refuse(visit, client, "audited_not_served",
           "environment " + env +
               " asks for an audited session, which this gateway does not serve (ssh.audited.host_key_file)");
    return false;
  }
  const Refusal refusal = visit.worker.shared.guard.admit(route.env, route.services().limits.connections,
                                                          visit.worker.reactor.now(), visit.permit);
  if (refusal == Refusal::none) return true;
  refuse(visit, client, to_string(refusal),
         "environment " + env + " has too many connections; try again later");
  return false;
}

std::string_view refusal_reason(relay::End end) {
  switch (end) {
    case relay::End::client_not_ssh:
    case relay::End::target_not_ssh:
    case relay::End::client_too_slow:
    case relay::End::target_too_slow: return to_string(end);
    default: return {};
  }
}

// Keep-alive probes on both sides, asked for when the first of them could be due: a short connection does not
// pay eight system calls for what it will not use.
class KeepAliveLater final : loop::Timer {
 public:
  // `client`: null where it is TLS, whose socket is the front's.
  KeepAliveLater(Worker& worker, net::Socket* client, net::Socket& target)
      : worker_(worker), client_(client), target_(target) {
    const loop::Clock::duration first = worker.keep_alive().idle;
    if (first.count() > 0) worker.reactor.timers().arm(*this, worker.reactor.now() + first);
  }

 private:
  void expired() override {
    for (const net::Socket* const socket : {client_, &target_})
      if (socket) net::set_keep_alive(socket->fd(), worker_.keep_alive());
  }
  Worker& worker_;
  net::Socket* client_;
  net::Socket& target_;
};

// Whether the client's first bytes are SSH's: a port scan starts nothing.
loop::Task<bool> speaks_ssh(Worker& worker, net::Socket& client) {
  constexpr std::string_view kStart = "SSH-";
  const loop::Deadline deadline = worker.reactor.after(worker.settings->timeouts.ssh_banner);
  for (;;) {
    std::array<char, kStart.size()> seen;
    const net::IoResult peeked = client.try_peek(seen);
    if (peeked.ok() && peeked.bytes == kStart.size())
      co_return std::string_view(seen.data(), seen.size()) == kStart;
    if (peeked.ok())
      client.watch().clear(loop::Direction::read);
    else if (peeked.status != net::IoStatus::blocked)
      co_return false;
    if (client.watch().peer_closed()) co_return false;
    const bool ready = co_await loop::WatchReady(client.watch(), loop::Direction::read, deadline);
    if (!ready) co_return false;
  }
}

// Holds the client of an environment that sleeps until it is up, or the deadline has passed; nothing is told
// meanwhile, since only its sshd speaks on this connection. True: go on, with the route of the moment.
loop::Task<bool> wake(Visit& visit, net::Stream& client, net::Socket* direct) {
  Worker& worker = visit.worker;
  if (!is_allowed_from(visit, client)) co_return false;
  if (direct && visit.protocol != Protocol::tcp) {
    const bool speaks = co_await speaks_ssh(worker, *direct);
    if (!speaks) {
      refuse(visit, client, "client_not_ssh", "");
      co_return false;
    }
  }
  gateway::Waiter waiter;
  waiter.why = "ssh from " + visit.peer.address.to_string();
  // Of other protocols a client may have said all that it has to say.
  const bool ssh = visit.protocol != Protocol::tcp;
  waiter.gone = [&client, ssh] { return ssh && client.watch().peer_closed(); };
  auto woken = co_await gateway::wake(worker, visit.route, std::move(waiter),
                                      worker.reactor.after(worker.settings->timeouts.wake));
  if (!woken.route) {
    refuse(visit, client, woken.timed_out ? "wake_timeout" : "wake_failed",
           "environment " + visit.route->env.str() + " does not start: " + woken.why);
    co_return false;
  }
  visit.route = woken.route;
  if (visit.protocol != Protocol::tcp) visit.target_port = visit.route->ssh.target_port;
  co_return true;
}

// Connects to the target and relays until the end. `client` is a Socket where `direct` is not null.
loop::Task<void> relay_to_target(Visit& visit, net::Stream& client, net::Socket* direct) {
  Worker& worker = visit.worker;
  gateway::Metrics& metrics = gateway::the_metrics();
  const gateway::GatewaySettingsPtr settings = worker.settings;
  gateway::Session session(worker.sessions, visit.protocol, visit.peer, client);
  session.route = visit.route;
  net::Socket target;
  const Endpoint address{visit.route->address, visit.target_port};
  metrics.target_connects.add();
  auto connected = co_await net::connect(worker.reactor, address,
                                         worker.reactor.after(settings->timeouts.connect), target);
  if (!connected) {
    metrics.target_connect_failures.add();
    const bool slow = connected.error().code == ETIMEDOUT;
    co_return refuse(
        visit, client, slow ? "target_timeout" : "target_refused",
        "environment " + visit.route->env.str() + (slow ? " does not answer" : " refuses the connection"));
  }
  session.target_stream = &target;
  const KeepAliveLater keep_alive(worker, direct, target);
  relay::Options options;
  options.require_ssh = visit.protocol != Protocol::tcp;
  options.banner_timeout = settings->timeouts.ssh_banner;
  options.idle_timeout = settings->timeouts.tunnel_idle;
  options.pipe_size = settings->ssh.pipe_size.count;
  options.throttle = gateway::throttle_of(worker, *visit.route);
  loop::Task<relay::End> relaying = direct ? relay::relay_sockets(*direct, target, options, session.progress)
                                           : relay::relay_streams(client, target, options, session.progress);
  const relay::End end = co_await std::move(relaying);
  metrics.bytes_to_target.add(session.progress.to_target);
  metrics.bytes_to_client.add(session.progress.to_client);
  if (const auto reason = refusal_reason(end); !reason.empty()) gateway::Metrics::refused(reason);
  log_end(visit,
          session.killed              ? "killed"
          : end == relay::End::closed ? "success"
                                      : to_string(end),
          &session);
  session.target_stream = nullptr;
}

}  // namespace

loop::Task<void> serve_port(Worker& worker, net::Accepted accepted, std::uint16_t port) {
  gateway::Permit permit;
  Visit visit{worker, Protocol::ssh, accepted.peer, {}, 0, "ssh", {}};
  net::Socket client;
  if (!client.open(worker.reactor, std::move(accepted.fd))) co_return;
  auto address = co_await gateway::client_address(worker, client, accepted.peer);
  if (!address) {
    gateway::Metrics::refused("bad_proxy_header");
    log::warn("proxy_header_refused")
        .text("source_ip", accepted.peer.address.to_string())
        .error(address.error());
    co_return;
  }
  visit.peer = *address;
  const Refusal refusal = worker.shared.guard.admit(visit.peer.address, worker.reactor.now(), permit);
  if (refusal != Refusal::none)
    co_return refuse(visit, client, to_string(refusal), "too many connections; try again later");

  // The table is asked at each connection: the port's route may have changed since the listener was opened.
  const routing::PortMatch match = worker.routes->find_port(port);
  if (!match) co_return refuse(visit, client, "unknown_port", "no environment has this port");
  visit.route = routing::RoutePtr(match.route);
  visit.protocol = match.tcp ? Protocol::tcp : Protocol::ssh;
  visit.target_port = match.tcp ? match.tcp->target_port : match.route->ssh.target_port;
  if (match.tcp) visit.service = match.tcp->service;
  if (!match.tcp && is_audited(worker, *visit.route)) {
    co_await serve_audited(worker, client, visit.peer, visit.route, std::move(permit));
    co_return;
  }
  const gateway::ActiveConnection active(visit.protocol);
  if (gateway::sleeps(worker, *visit.route)) {
    const bool woken = co_await wake(visit, client, &client);
    if (!woken) co_return;
  }
  if (!may_enter(visit, client)) co_return;
  co_await relay_to_target(visit, client, &client);
}

loop::Task<void> serve_tls(Worker& worker, net::TlsStream& client, Endpoint peer, routing::EnvId env) {
  Visit visit{worker, Protocol::ssh_tls, peer, {}, 0, "ssh", {}};
  const gateway::ActiveConnection active(Protocol::ssh_tls);
  const gateway::Lookup lookup = co_await gateway::find_route(worker, env);
  if (lookup.outcome != gateway::Lookup::Outcome::found) {
    const bool absent = lookup.outcome == gateway::Lookup::Outcome::absent;
    co_return refuse(
        visit, client, absent ? "unknown_environment" : "routes_unavailable",
        absent ? "there is no environment " + env.str() : "routes cannot be read now; try again");
  }
  visit.route = lookup.route;
  visit.target_port = lookup.route->ssh.target_port;
  if (is_audited(worker, *visit.route)) {
    co_await serve_audited(worker, client, peer, visit.route);
    co_return;
  }
  if (gateway::sleeps(worker, *visit.route)) {
    const bool woken = co_await wake(visit, client, nullptr);
    if (!woken) co_return;
  }
  if (!may_enter(visit, client)) co_return;
  co_await relay_to_target(visit, client, nullptr);
}

}  // namespace envgate::ssh
