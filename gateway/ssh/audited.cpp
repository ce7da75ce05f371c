#include "gateway/ssh/audited.hpp"

#include "base/log.hpp"
#include "gateway/metrics.hpp"
#include "gateway/relay/relay.hpp"
#include "gateway/ssh/monitor/monitor.hpp"

namespace envgate::ssh {

using gateway::Protocol;
using gateway::Worker;

bool is_audited(const Worker& worker, const routing::Route& route) {
  return worker.shared.audited && route.ssh.mode == routing::SshMode::audited;
}

loop::Task<void> serve_audited(Worker& worker, net::Socket& client, Endpoint peer, routing::RoutePtr route,
                               gateway::Permit source) {
  net::set_no_delay(client.fd());
  net::set_keep_alive(client.fd(), worker.keep_alive());
  monitor::Arrival arrival{Protocol::ssh, peer, std::move(route), std::move(source), client.release()};
  co_await monitor::watch_over(worker, std::move(arrival));
}

loop::Task<void> serve_audited(Worker& worker, net::Stream& client, Endpoint peer, routing::RoutePtr route) {
  auto pair = net::stream_pair();
  if (!pair) co_return;
  net::Socket socket;
  if (!socket.open(worker.reactor, std::move(pair->first))) co_return;
  monitor::Arrival arrival{Protocol::ssh_tls, peer, std::move(route), {}, std::move(pair->second)};
  worker.serve(monitor::watch_over(worker, std::move(arrival)));
  relay::Options options;
  options.require_ssh = true;
  options.banner_timeout = worker.settings->timeouts.ssh_banner;
  relay::Progress progress;
  co_await relay::relay_streams(client, socket, options, progress);
}

loop::Task<void> serve_shared_entry(Worker& worker, net::Accepted accepted) {
  net::Socket client;
  if (!client.open(worker.reactor, std::move(accepted.fd))) co_return;
  auto address = co_await gateway::client_address(worker, client, accepted.peer);
  if (!address) {
    gateway::Metrics::refused("bad_proxy_header");
    co_return;
  }
  gateway::Permit source;
  const gateway::Refusal refusal = worker.shared.guard.admit(address->address, worker.reactor.now(), source);
  if (refusal != gateway::Refusal::none) {
    gateway::Metrics::refused(to_string(refusal));
    co_return;
  }
  co_await serve_audited(worker, client, *address, {}, std::move(source));
}

}  // namespace envgate::ssh
