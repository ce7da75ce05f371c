#include "routing/book.hpp"

#include <algorithm>
#include <tuple>

namespace envgate::routing {
namespace {

std::vector<std::uint16_t> ports_of(const Route& route) {
  std::vector<std::uint16_t> ports;
  if (route.ssh.listen_port != 0) ports.push_back(route.ssh.listen_port);
  for (const TcpPort& tcp : route.services().tcp) ports.push_back(tcp.listen_port);
  return ports;
}

bool contains(const std::vector<std::uint16_t>& ports, std::uint16_t port) {
  return std::find(ports.begin(), ports.end(), port) != ports.end();
}

}  // namespace

RouteBook::RouteBook(RouteTable& table, RoutePolicy policy) : table_(table), policy_(std::move(policy)) {}

RouteBook::Outcome RouteBook::put(RouteSpec spec) {
  const EnvId env = spec.env;
  const Route* shown = table_.find(env);
  RefusalLog::Entry* held = refusals_.find(env);
  const RoutePtr current = held && held->declared ? held->declared : RoutePtr(shown);
  const bool older = older_generation(spec, current.get());
  if (current && current->generation != 0 && spec.generation == 0)
    refusals_.mention(
        env, "route_record_gone", "record_gone",
        "the environment has lost its route record, and with it generation, SSH mode, allow_from and "
        "limits; what the source's other keys say is served: delete those too, or put the record back");
  const RoutePtr declared = older ? current : Route::make(std::move(spec), &pool_);
  if (!older && !(current && current->same_content(*declared))) return place(declared);
  if (held) {
    held->mark = pass_;
    current->mark = pass_;
  }
  if (shown) mark(*shown);
  return held && held->whole() ? Outcome::refused : Outcome::unchanged;
}

bool RouteBook::older_generation(const RouteSpec& spec, const Route* current) {
  // Compared only between routes that have a generation, and only with one confirmed since the source was
  // last away.
  if (!current || spec.generation == 0 || current->generation <= spec.generation) return false;
  if (current->mark < epoch_pass_) return false;
  refusals_.mention(spec.env, "route_refused", "generation",
                    "generation " + std::to_string(spec.generation) + " is older than " +
                        std::to_string(current->generation) + ", which is kept");
  return true;
}

RouteBook::Outcome RouteBook::place(const RoutePtr& declared) {
  const EnvId env = declared->env;
  const auto allowed = declared->nowhere() ? Result<void>() : policy_.allowed.check(declared->address);
  if (!allowed) {
    const Route* shown = table_.find(env);
    if (shown) show(shown, RoutePtr());
    declared->mark = pass_;
    refusals_.note(env, {Refusal::address, allowed.error().message, declared, {}, pass_});
    return Outcome::refused;
  }
  std::string why;
  Refusal reason = Refusal::port_clash;
  const std::vector<std::uint16_t> refused = contested_ports(*declared, why, reason);
  RoutePtr effective = declared;
  if (refused.empty()) {
    refusals_.clear(env);
  } else {
    effective = without_ports(*declared, contains(refused, declared->ssh.listen_port), refused);
    declared->mark = pass_;
    refusals_.note(env, {reason, why, declared, refused, pass_});
  }
  const Route* before = table_.find(env);
  if (before && before->same_content(*effective) && before->port_refused == effective->port_refused) {
    mark(*before);
    return Outcome::unchanged;
  }
  if (before) effective->mark = before->mark;
  mark(*effective);
  show(before, effective);
  return Outcome::changed;
}

std::vector<std::uint16_t> RouteBook::contested_ports(const Route& declared, std::string& why,
                                                      Refusal& reason) {
  std::vector<std::uint16_t> refused;
  for (const std::uint16_t port : ports_of(declared)) {
    Refusal kind = Refusal::port_clash;
    const auto problem = port_problem(declared, port, kind);
    if (!problem) continue;
    if (refused.empty()) reason = kind;
    why.append(why.empty() ? "" : "; ").append(*problem);
    refused.push_back(port);
  }
  return refused;
}

std::optional<std::string> RouteBook::port_problem(const Route& claimant, std::uint16_t port,
                                                   Refusal& reason) {
  const std::string name = "listening port " + std::to_string(port);
  if (policy_.listen_ports && !policy_.listen_ports->contains(port)) {
    reason = Refusal::port_range;
    return name + " is outside ssh.port_range (" + std::to_string(policy_.listen_ports->first) + " to " +
           std::to_string(policy_.listen_ports->last) + ")";
  }
  if (contains(policy_.reserved_ports, port)) {
    reason = Refusal::port_reserved;
    return name + " is one of the gateway's own";
  }
  const Route* holder = table_.port_holder(port);
  if (!holder || holder->env == claimant.env) return std::nullopt;
  if (yields(*holder, claimant)) {
    displaced_.push_back(holder->env);
    return std::nullopt;
  }
  reason = Refusal::port_clash;
  return name + " belongs to environment " + holder->env.str() + ", which had it first";
}

// Only while the first load is still under way, and only between routes of that load: a holder that a
// snapshot brought was live before, and keeps its port (pass 1 is the snapshot's; see Router).
bool RouteBook::yields(const Route& holder, const Route& claimant) const {
  if (settled_ || holder.mark < pass_ || pass_ == 1) return false;
  const auto age = [](const Route& route) {
    return std::tuple(route.created == 0, route.created, route.env.view());
  };
  return age(claimant) < age(holder);
}

void RouteBook::show(const Route* before, const RoutePtr& after) {
  RouteChange change{after ? after->env : before->env, RoutePtr(before), after};
  if (after) {
    table_.put(after);
  } else {
    if (before->mark == pass_) --seen_count_;
    table_.remove(before->env);
  }
  if (before) free_ports(before, after.get());
  changes_.push_back(std::move(change));
  if (++placed_since_sweep_ > 10000 + pool_.size()) {
    pool_.sweep();
    placed_since_sweep_ = 0;
  }
}

void RouteBook::free_ports(const Route* before, const Route* after) {
  for (const std::uint16_t port : ports_of(*before)) {
    if (!after || !contains(ports_of(*after), port)) freed_.push_back(port);
  }
}

void RouteBook::mark(const Route& route) {
  if (route.mark != pass_) ++seen_count_;
  route.mark = pass_;
}

void RouteBook::refuse(const EnvId& env, Refusal reason, const std::string& message) {
  if (const Route* shown = table_.find(env)) show(shown, RoutePtr());
  refusals_.note(env, {reason, message, RoutePtr(), {}, pass_});
}

void RouteBook::remove(const EnvId& env) {
  if (const Route* shown = table_.find(env)) show(shown, RoutePtr());
  refusals_.clear(env);
}

void RouteBook::begin_pass() {
  ++pass_;
  seen_count_ = 0;
}

void RouteBook::begin_epoch() {
  begin_pass();
  epoch_pass_ = pass_;
}

bool RouteBook::seen(const EnvId& env) const {
  if (const Route* route = table_.find(env)) return route->mark == pass_;
  const RefusalLog::Entry* entry = refusals_.find(env);
  return entry && entry->mark == pass_;
}

std::vector<EnvId> RouteBook::unseen() const {
  std::vector<EnvId> envs;
  table_.for_each([&](const Route& route) {
    if (route.mark != pass_) envs.push_back(route.env);
  });
  for (const auto& [env, entry] : refusals_.entries()) {
    if (entry.whole() && entry.mark != pass_) envs.push_back(env);
  }
  return envs;
}

void RouteBook::set_policy(RoutePolicy policy) {
  policy_ = std::move(policy);
  std::vector<EnvId> envs;
  table_.for_each([&](const Route& route) { envs.push_back(route.env); });
  for (const auto& [env, entry] : refusals_.entries()) {
    if (entry.whole()) envs.push_back(env);
  }
  for (const EnvId& env : envs) judge_again(env);
}

// As if the source had just repeated itself; that it did is not claimed (the marks stay).
void RouteBook::judge_again(const EnvId& env) {
  const RefusalLog::Entry* entry = refusals_.find(env);
  RoutePtr declared = entry ? entry->declared : RoutePtr(table_.find(env));
  if (!declared) return;
  const std::uint32_t seen_in = declared->mark;
  const std::size_t count = seen_count_;
  place(declared);
  if (const Route* shown = table_.find(env)) shown->mark = seen_in;
  if (RefusalLog::Entry* noted = refusals_.find(env)) noted->mark = seen_in;
  declared->mark = seen_in;
  seen_count_ = count;
}

std::vector<RouteChange> RouteBook::take_changes() {
  // Each round either settles a claim for good or ends; a port freed by one may serve the next.
  while (!freed_.empty() || !displaced_.empty()) {
    std::vector<EnvId> envs = std::exchange(displaced_, {});
    for (const std::uint16_t port : std::exchange(freed_, {})) {
      if (const Route* holder = table_.port_holder(port); holder) continue;
      for (const EnvId& env : refusals_.waiting_for(port)) envs.push_back(env);
    }
    for (const EnvId& env : envs) judge_again(env);
  }
  return std::exchange(changes_, {});
}

std::vector<RoutePtr> RouteBook::declared_routes() const {
  std::vector<RoutePtr> routes;
  routes.reserve(table_.size());
  table_.for_each([&](const Route& route) {
    if (!route.port_refused) routes.emplace_back(&route);
  });
  table_.for_each([&](const Route& route) {
    if (!route.port_refused) return;
    const RefusalLog::Entry* entry = refusals_.find(route.env);
    routes.push_back(entry && entry->declared ? entry->declared : RoutePtr(&route));
  });
  return routes;
}

}  // namespace envgate::routing
