#include "gateway/metrics.hpp"
#include "gateway/ssh/monitor/session_monitor.hpp"
#include "gateway/waking.hpp"

namespace envgate::ssh::monitor {
namespace {

using gateway::Lookup;

constexpr std::uint32_t kSshPort = 22;

}  // namespace

// Whether this customer may go there: it is the environment that he named, or his key is authorized there.
bool SessionMonitor::may_pass_on(const routing::Route& route, std::uint32_t port) const {
  const bool port_of_ssh = port == kSshPort || port == route.ssh.listen_port;
  const bool named = route_ && route_->env == route.env;
  const bool authorized =
      !identity_.key_blob.empty() && audited_.keys.authorized(route.env, identity_.key_blob);
  return port_of_ssh && (named || authorized);
}

// A connected socket to where `asked` leads, or why there is none.
loop::Task<Fd> SessionMonitor::way_to(Jump asked, std::string& refusal) {
  refusal =
      "there is no environment " + asked.host + " for you here";  // the same for all that one may not know
  std::optional<routing::EnvId> env = routing::EnvId::parse_folded(asked.host);
  if (const auto name = worker_.shared.domain.parse(asked.host);
      name && name->kind == routing::HostName::Kind::ssh)
    env = name->env;
  if (!env) co_return Fd();
  Lookup lookup = co_await gateway::find_route(worker_, *env);
  if (lookup.outcome != Lookup::Outcome::found || !may_pass_on(*lookup.route, asked.port)) co_return Fd();
  if (lookup.route->ssh.mode == routing::SshMode::audited) {
    auto pair = net::stream_pair();
    if (!pair) co_return Fd();
    worker_.serve(
        watch_over(worker_, Arrival{arrival_.via, arrival_.peer, lookup.route, {}, std::move(pair->second)}));
    refusal.clear();
    co_return std::move(pair->first);
  }
  co_return co_await connect_onward(std::move(lookup.route), refusal);
}

// To a passthrough environment: its sshd is the other end.
loop::Task<Fd> SessionMonitor::connect_onward(routing::RoutePtr found, std::string& refusal) {
  refusal = "environment " + found->env.str() + " does not allow your address";
  if (!found->services().allows(arrival_.peer.address)) co_return Fd();
  if (gateway::sleeps(worker_, *found)) {
    gateway::Waiter waiter;
    waiter.why = "ssh from " + arrival_.peer.address.to_string();
    waiter.gone = [this] { return over_; };
    auto woken = co_await gateway::wake(worker_, found, std::move(waiter),
                                        worker_.reactor.after(worker_.settings->timeouts.wake));
    refusal = "environment " + found->env.str() + " does not start: " + woken.why;
    if (!woken.route) co_return Fd();
    found = std::move(woken.route);
  }
  const routing::Route& route = *found;
  refusal = "environment " + route.env.str() + " is " + std::string(to_string(route.state));
  if (route.state != routing::State::running) co_return Fd();
  refusal = "environment " + route.env.str() + " has too many connections; try again later";
  gateway::Permit permit;
  if (worker_.shared.guard.admit(route.env, route.services().limits.connections, worker_.reactor.now(),
                                 permit) != gateway::Refusal::none)
    co_return Fd();
  refusal = "environment " + route.env.str() + " refuses the connection, or does not answer";
  net::Socket target;
  auto connected = co_await net::connect(worker_.reactor, route.ssh_target(),
                                         worker_.reactor.after(worker_.settings->timeouts.connect), target);
  if (!connected) co_return Fd();
  jump_permits_.push_back(std::move(permit));
  refusal.clear();
  co_return target.release();
}

loop::Task<void> SessionMonitor::pass_on(Jump asked) {
  const std::uint32_t id = asked.id;
  const std::string host = asked.host;
  std::string refusal;
  const Fd socket = co_await way_to(std::move(asked), refusal);
  const bool open = static_cast<bool>(socket);
  if (!open) gateway::Metrics::refused("jump_refused");
  log_jump(host, refusal);
  send(JumpAnswer{id, open ? "" : refusal}, open ? socket.get() : -1);
}

}  // namespace envgate::ssh::monitor
