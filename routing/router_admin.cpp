// What the admin API asks of a Router: status, one route, all routes in order. Off the hot path: locks are
// taken, and a page of the list costs a walk over the whole table (0.2 s for a million routes), so that pages
// are in the order of ids and a cursor stays good whatever changes between two of them.
#include <algorithm>

#include "routing/router_core.hpp"

namespace envgate::routing {

RouterStatus Router::Core::status() const {
  const std::lock_guard lock(status_mutex_);
  RouterStatus status = status_;
  status.routes = table_.size();  // as of now: a route that can be asked for is counted
  status.age = std::chrono::duration_cast<std::chrono::milliseconds>(age());
  return status;
}

RoutePtr Router::Core::get(const EnvId& env) const {
  const std::lock_guard lock(admin_mutex_);
  admin_reader_.online();
  RoutePtr route(admin_reader_.find(env));
  admin_reader_.offline();
  return route;
}

RoutePage Router::Core::list(const std::optional<EnvId>& after, std::size_t limit) const {
  const std::lock_guard lock(admin_mutex_);
  const auto by_id = [](const Route* a, const Route* b) { return a->env < b->env; };
  std::vector<const Route*>
      smallest;  // a heap, the greatest id first: the `limit` + 1 first ids after the cursor
  admin_reader_.online();
  admin_reader_.for_each([&](const Route& route) {
    if (after && !(*after < route.env)) return;
    if (smallest.size() > limit) {
      if (!(route.env < smallest.front()->env)) return;
      std::pop_heap(smallest.begin(), smallest.end(), by_id);
      smallest.pop_back();
    }
    smallest.push_back(&route);
    std::push_heap(smallest.begin(), smallest.end(), by_id);
  });
  std::sort_heap(smallest.begin(), smallest.end(), by_id);
  const auto same = [](const Route* a, const Route* b) { return a->env == b->env; };  // moved while we walked
  smallest.erase(std::unique(smallest.begin(), smallest.end(), same), smallest.end());
  RoutePage page;
  const bool more = smallest.size() > limit;
  if (more) smallest.pop_back();
  for (const Route* route : smallest) page.routes.emplace_back(route);
  if (more && !smallest.empty()) page.next = smallest.back()->env;
  admin_reader_.offline();
  return page;
}

}  // namespace envgate::routing
