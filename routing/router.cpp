#include "routing/router.hpp"

#include "routing/router_core.hpp"

namespace envgate::routing {

Router::Router(RoutingSettings settings) : core_(std::make_unique<Core>(std::move(settings))) {}
Router::~Router() = default;

void Router::subscribe(Changed changed) { core_->subscribe(std::move(changed)); }
Result<void> Router::start() { return core_->start(); }
void Router::stop() { core_->stop(); }
std::unique_ptr<Reader> Router::make_reader() { return std::make_unique<Reader>(core_->table()); }
bool Router::resolve(const EnvId& env, Resolved resolved) { return core_->resolve(env, std::move(resolved)); }
bool Router::known_absent(const EnvId& env) const { return core_->absent().contains(env); }
RouterStatus Router::status() const { return core_->status(); }
RoutePtr Router::get(const EnvId& env) const { return core_->get(env); }
RoutePage Router::list(const std::optional<EnvId>& after, std::size_t limit) const {
  return core_->list(after, limit);
}
void Router::reload(const RoutingSettings& settings) { core_->reload(settings); }

}  // namespace envgate::routing
