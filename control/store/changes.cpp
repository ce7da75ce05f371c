#include "control/store/changes.hpp"

#include "control/store/session.hpp"

namespace envgate::control::store {

using soci::into;
using soci::use;

long long route_generation(Transaction& t) {
  long long seq = 0;
  t.sql << "SELECT outbox_seq FROM head WHERE id = 1", into(seq);
  return seq;
}

long long next_route_generation(Transaction& t) { return route_generation(t) + 1; }

void put_route(Transaction& t, Environment& environment, long long generation, const std::string& json) {
  t.sql << "UPDATE head SET outbox_seq = :g WHERE id = 1", use(generation);
  t.sql << "INSERT INTO outbox VALUES (:s, :e, :r)", use(generation), use(environment.id), use(json);
  environment.route = json;
}

RouteSnapshot all_routes(Transaction& t) {
  RouteSnapshot snapshot;
  snapshot.generation = route_generation(t);
  std::string route;
  soci::statement rows = (t.sql.prepare << "SELECT route FROM environments WHERE deleted = 0 AND route <> ''"
                                           " ORDER BY created, id",
                          into(route));
  snapshot.routes = fetch_all(rows, route);
  return snapshot;
}

std::optional<std::vector<RouteChange>> route_changes(Transaction& t, long long generation,
                                                      std::size_t limit) {
  RouteChange change;
  soci::statement rows =
      (t.sql.prepare << "SELECT seq, environment, route FROM outbox WHERE seq > :s"
                        " ORDER BY seq LIMIT " +
                            std::to_string(limit),
       use(generation), into(change.generation), into(change.environment), into(change.route));
  std::vector<RouteChange> all = fetch_all(rows, change);
  // Numbers have no gaps: one that is missing was cut off.
  if (all.empty() ? route_generation(t) != generation : all.front().generation != generation + 1)
    return std::nullopt;
  return all;
}

void append_event(Transaction& t, const std::string& environment, const std::string& kind,
                  const std::string& body) {
  const long long at = now_ms(), seq = newest_event(t) + 1;
  t.sql << "UPDATE head SET event_seq = :s WHERE id = 1", use(seq);
  t.sql << "INSERT INTO events VALUES (:s, :a, :e, :k, :b)", use(seq), use(at), use(environment), use(kind),
      use(body);
}

std::vector<Event> events_after(Transaction& t, long long seq, const std::string& environment,
                                std::size_t limit) {
  Event event;
  const std::string tail = " ORDER BY seq LIMIT " + std::to_string(limit);
  const int any = environment.empty() ? 1 : 0;
  soci::statement rows =
      (t.sql.prepare << "SELECT seq, at, environment, kind, body FROM events WHERE seq > :s"
                        " AND (:any = 1 OR environment = :e)" +
                            tail,
       use(seq), use(any), use(environment), into(event.seq), into(event.at), into(event.environment),
       into(event.kind), into(event.body));
  return fetch_all(rows, event);
}

long long oldest_event(Transaction& t) {
  long long seq = 0;
  t.sql << "SELECT COALESCE(MIN(seq), (SELECT event_seq + 1 FROM head WHERE id = 1)) FROM events", into(seq);
  return seq;
}

long long newest_event(Transaction& t) {
  long long seq = 0;
  t.sql << "SELECT event_seq FROM head WHERE id = 1", into(seq);
  return seq;
}

void cut_changes(Transaction& t, long long keep) {
  const long long route = route_generation(t) - keep, event = newest_event(t) - keep;
  t.sql << "DELETE FROM outbox WHERE seq <= :s", use(route);
  t.sql << "DELETE FROM events WHERE seq <= :s", use(event);
}

}  // namespace envgate::control::store
