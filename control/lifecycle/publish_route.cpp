#include <set>

#include "base/log.hpp"
#include "control/lifecycle/lifecycle.hpp"
#include "control/lifecycle/route_body.hpp"
#include "control/lifecycle/spec.hpp"
#include "control/store/changes.hpp"
#include "control/store/owners.hpp"

namespace envgate::control {
namespace {

using store::Environment;
using store::Transaction;

// What the owner has of his own, and those whom he shares it with.
void add_owners_part(Transaction& t, const Environment& e, RouteParts& parts) {
  const Policy policy = stored_policy(e);
  const store::Owner owner = store::find_owner(t, e.owner);
  parts.totp = !owner.totp.empty();
  parts.ssh = policy.ssh.with(stored_owner_policy(owner.policy));
  std::vector<std::string> keys = stored_spec(e).ssh_keys;
  std::vector<std::string> whose{e.owner};
  whose.insert(whose.end(), policy.shared_with.begin(), policy.shared_with.end());
  for (const std::string& one : whose)
    for (store::OwnerKey& key : store::owner_keys(t, one)) keys.push_back(std::move(key.public_key));
  parts.authorized_keys = bounded_keys(keys);
  const std::size_t all = std::set<std::string>(keys.begin(), keys.end()).size();
  if (all > parts.authorized_keys.size())
    log::warn("keys_left_out").environment(e.id).number("keys", all - parts.authorized_keys.size());
}

}  // namespace

void publish_route(Transaction& t, Environment& e) {
  const long long generation = store::next_route_generation(t);
  RouteParts parts;
  parts.leases = store::leases_of(t, e.id);
  const bool audited = is_audited(e);
  if (audited || e.backend == "physical") parts.host_keys = host_keys_of(t, e);
  add_owners_part(t, e, parts);
  const std::string body = route_body(e, parts, generation);
  if (!same_route(e.route, body)) store::put_route(t, e, generation, body);
}

void publish_routes_of(Transaction& t, const std::string& owner) {
  for (const std::string& id : store::environments_concerning(t, owner)) {
    auto e = store::find_environment(t, id);
    const std::string before = e->route;
    publish_route(t, *e);
    if (e->route != before) store::update_environment(t, *e);
  }
}

}  // namespace envgate::control
