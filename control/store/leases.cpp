#include <algorithm>

#include "control/store/environments.hpp"
#include "control/store/session.hpp"

namespace envgate::control::store {
namespace {

using soci::into;
using soci::use;

// Ports that are leased, or were until a moment ago. One query: a range may have ten thousand.
std::vector<bool> ports_in_use(Transaction& t, const LeaseRequest& wanted) {
  std::vector<bool> taken(wanted.range.size());
  const int first = wanted.range.first, last = wanted.range.last;
  const long long rested = now_ms() - wanted.quarantine.count();
  int port = 0;
  soci::statement rows = (t.sql.prepare << "SELECT port FROM leases WHERE port BETWEEN :f AND :l"
                                           " AND (released = 0 OR released > :r)",
                          use(first), use(last), use(rested), into(port));
  rows.execute();
  while (rows.fetch()) taken[static_cast<std::size_t>(port - first)] = true;
  return taken;
}

}  // namespace

Result<std::uint16_t> lease_port(Transaction& t, const std::string& environment, const LeaseRequest& wanted) {
  const std::vector<bool> taken = ports_in_use(t, wanted);
  for (int port = wanted.range.first; port <= wanted.range.last; ++port) {
    if (taken[static_cast<std::size_t>(port - wanted.range.first)]) continue;
    if (wanted.can_bind && !wanted.can_bind(static_cast<std::uint16_t>(port))) continue;
    const int target = wanted.target_port;
    t.sql << "DELETE FROM leases WHERE port = :p", use(port);  // one that has rested
    t.sql << "INSERT INTO leases VALUES (:p, :s, :e, :t, 0)", use(port), use(wanted.service),
        use(environment), use(target);
    return static_cast<std::uint16_t>(port);
  }
  const auto held = std::count(taken.begin(), taken.end(), true);
  return fail("no port for " + wanted.service + " is free in " + format_port_range(wanted.range) + ": " +
                  std::to_string(held) +
                  " are leased or rest after their release, the others are bound by"
                  " other programs; widen control.ports." +
                  wanted.service,
              kPortsExhausted);
}

void release_ports(Transaction& t, const std::string& environment) {
  const long long now = now_ms();
  t.sql << "UPDATE leases SET released = :n WHERE environment = :e AND released = 0", use(now),
      use(environment);
}

std::vector<Lease> leases_of(Transaction& t, const std::string& environment) {
  int port = 0, target = 0;
  std::string service;
  soci::statement rows = (t.sql.prepare << "SELECT port, service, target_port FROM leases"
                                           " WHERE environment = :e AND released = 0 ORDER BY port",
                          use(environment), into(port), into(service), into(target));
  std::vector<Lease> all;
  rows.execute();
  while (rows.fetch())
    all.push_back({static_cast<std::uint16_t>(port), service, static_cast<std::uint16_t>(target)});
  return all;
}

std::set<std::uint16_t> leased_ports(Transaction& t) {
  int port = 0;
  soci::statement rows = (t.sql.prepare << "SELECT port FROM leases WHERE released = 0", into(port));
  std::set<std::uint16_t> all;
  rows.execute();
  while (rows.fetch()) all.insert(static_cast<std::uint16_t>(port));
  return all;
}

}  // namespace envgate::control::store
