#include "control/store/environments.hpp"

#include <vector>

#include "control/store/audit.hpp"
#include "control/store/session.hpp"

namespace envgate::control::store {
namespace {

using soci::into;
using soci::use;

Result<void> check_quota(Transaction& t, const NewEnvironment& wanted) {
  Quota q;
  t.sql << "SELECT cpu_millis, memory_bytes, gpus, storage_bytes, environments FROM quotas"
           " WHERE owner = :o",
      use(wanted.owner), into(q.most.cpu_millis), into(q.most.memory_bytes), into(q.most.gpus),
      into(q.most.storage_bytes), into(q.environments);
  if (!t.sql.got_data())
    return fail("owner " + wanted.owner + " has no quota; set one first", kQuotaExceeded);
  Resources used;
  long long count = 0;
  // What is stopped gives its compute back (holds_compute 0) and keeps its storage.
  t.sql << "SELECT CAST(COALESCE(SUM(cpu_millis * holds_compute), 0) AS BIGINT),"
           " CAST(COALESCE(SUM(memory_bytes * holds_compute), 0) AS BIGINT),"
           " CAST(COALESCE(SUM(gpus * holds_compute), 0) AS BIGINT),"
           " CAST(COALESCE(SUM(storage_bytes), 0) AS BIGINT), COUNT(*)"
           " FROM environments WHERE owner = :o AND deleted = 0",
      use(wanted.owner), into(used.cpu_millis), into(used.memory_bytes), into(used.gpus),
      into(used.storage_bytes), into(count);
  auto refuse = [&](const char* what) {
    return fail("quota of " + wanted.owner + " exceeded: " + what, kQuotaExceeded);
  };
  const Resources& r = wanted.resources;
  if (count >= q.environments) return refuse("environments");
  if (r.cpu_millis > q.most.cpu_millis - used.cpu_millis) return refuse("cpu");
  if (r.memory_bytes > q.most.memory_bytes - used.memory_bytes) return refuse("memory");
  if (r.gpus > q.most.gpus - used.gpus) return refuse("gpus");
  if (r.storage_bytes > q.most.storage_bytes - used.storage_bytes) return refuse("storage");
  return {};
}

// Ports that are leased, or were until a moment ago. One query: a range may have ten thousand.
std::vector<bool> ports_in_use(Transaction& t, const NewEnvironment& wanted) {
  std::vector<bool> taken(wanted.ports.size());
  const int first = wanted.ports.first, last = wanted.ports.last;
  const long long rested = now_ms() - wanted.quarantine.count();
  int port = 0;
  soci::statement rows = (t.sql.prepare << "SELECT port FROM leases WHERE port BETWEEN :f AND :l"
                                           " AND (released = 0 OR released > :r)",
                          use(first), use(last), use(rested), into(port));
  rows.execute();
  while (rows.fetch()) taken[static_cast<std::size_t>(port - first)] = true;
  return taken;
}

Result<std::uint16_t> lease_port(Transaction& t, const NewEnvironment& wanted) {
  const std::vector<bool> taken = ports_in_use(t, wanted);
  for (int port = wanted.ports.first; port <= wanted.ports.last; ++port) {
    if (taken[static_cast<std::size_t>(port - wanted.ports.first)]) continue;
    if (wanted.can_bind_port && !wanted.can_bind_port(static_cast<std::uint16_t>(port))) continue;
    t.sql << "DELETE FROM leases WHERE port = :p", use(port);
    t.sql << "INSERT INTO leases VALUES (:p, 'ssh', :e, 0)", use(port), use(wanted.id);
    return static_cast<std::uint16_t>(port);
  }
  return fail("no port is free in " + format_port_range(wanted.ports) + "; widen the range", kPortsExhausted);
}

long long write_outbox(Transaction& t, const NewEnvironment& wanted) {
  long long seq = 0;
  t.sql << "UPDATE head SET outbox_seq = outbox_seq + 1 WHERE id = 1";
  t.sql << "SELECT outbox_seq FROM head WHERE id = 1", into(seq);
  t.sql << "INSERT INTO outbox VALUES (:s, :e, 1, :c)", use(seq), use(wanted.id), use(wanted.route_change);
  return seq;
}

}  // namespace

void set_quota(Transaction& t, const std::string& owner, const Quota& q) {
  t.sql << "DELETE FROM quotas WHERE owner = :o", use(owner);
  t.sql << "INSERT INTO quotas VALUES (:o, :c, :m, :g, :s, :n)", use(owner), use(q.most.cpu_millis),
      use(q.most.memory_bytes), use(q.most.gpus), use(q.most.storage_bytes), use(q.environments);
}

Result<Created> create(Transaction& t, const NewEnvironment& wanted) {
  int used_before = 0;  // deleted ones too: their tombstones keep the id
  t.sql << "SELECT COUNT(*) FROM environments WHERE id = :i", use(wanted.id), into(used_before);
  if (used_before > 0) return fail("environment id " + wanted.id + " was used before", kConflict);
  auto fits = check_quota(t, wanted);
  if (!fits) return Failure(fits.error());
  auto port = lease_port(t, wanted);
  if (!port) return Failure(port.error());
  const long long now = now_ms();
  const Resources& r = wanted.resources;
  t.sql << "INSERT INTO environments VALUES (:i, :n, :o, :b, :s, 'running', 'absent', '[]', 1, :c, :m, :g,"
           " :d, 1, :t, :u, 0)",
      use(wanted.id), use(wanted.name), use(wanted.owner), use(wanted.backend), use(wanted.spec),
      use(r.cpu_millis), use(r.memory_bytes), use(r.gpus), use(r.storage_bytes), use(now), use(now);
  t.sql << "INSERT INTO operations VALUES (:i, :e, 'create', 'pending', '[]', '', :t, :u)",
      use(wanted.operation_id), use(wanted.id), use(now), use(now);
  const long long seq = write_outbox(t, wanted);
  append_audit(t, {wanted.who, "create", wanted.id, "", wanted.spec, "accepted"});
  return Created{*port, seq};
}

}  // namespace envgate::control::store
