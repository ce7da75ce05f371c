#include "gateway/port_listeners.hpp"

#include "gateway/metrics.hpp"
#include "gateway/ssh/passthrough.hpp"

namespace envgate::gateway {
namespace {
constexpr std::chrono::seconds kRetry{5};
}

PortListeners::PortListeners(Worker& worker, const Workers& workers) : worker_(worker), workers_(workers) {}

template <typename Visit>
void PortListeners::for_each_port(const routing::RoutePtr& route, Visit visit) {
  if (!route) return;
  if (route->ssh.listen_port != 0) visit(route->ssh.listen_port);
  for (const routing::TcpPort& tcp : route->services().tcp) visit(tcp.listen_port);
}

void PortListeners::apply(std::span<const routing::RouteChange> changes) {
  if (finished_ || !worker_.settings->ssh.bind) return;
  for (const routing::RouteChange& change : changes) {
    for_each_port(change.before, [this](std::uint16_t port) { update(port); });
    for_each_port(change.after, [this](std::uint16_t port) { update(port); });
  }
}

void PortListeners::update(std::uint16_t port) {
  if (port % workers_.size() != worker_.index) return;
  if (!worker_.routes->find_port(port)) {
    failed_.erase(port);
    if (open_.erase(port) > 0) the_metrics().port_listeners.add(-1);
    return;
  }
  if (open_.contains(port)) return;
  auto acceptor =
      std::make_unique<Acceptor>(worker_, workers_, [port](Worker& worker, net::Accepted accepted) {
        return ssh::serve_port(worker, std::move(accepted), port);
      });
  auto bound = bind_listener({*worker_.settings->ssh.bind, port}, {});
  auto opened = bound ? acceptor->open(std::move(*bound)) : Result<void>(tl::unexpected(bound.error()));
  if (!opened) {
    if (failed_[port]++ == 0) log::error("port_listener_failed").number("port", port).error(opened.error());
    if (!armed()) worker_.reactor.timers().arm(*this, worker_.reactor.now() + kRetry);
    return;
  }
  failed_.erase(port);
  open_.emplace(port, std::move(acceptor));
  the_metrics().port_listeners.add(1);
}

void PortListeners::expired() {
  std::vector<std::uint16_t> ports;
  for (const auto& [port, tries] : failed_) ports.push_back(port);
  for (const std::uint16_t port : ports) update(port);
}

void PortListeners::finish() {
  finished_ = true;
  for (auto& [port, acceptor] : open_) acceptor->finish();
  the_metrics().port_listeners.add(-static_cast<std::int64_t>(open_.size()));
  open_.clear();
  failed_.clear();
  disarm();
}

}  // namespace envgate::gateway
