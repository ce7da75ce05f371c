// What happened, numbered in the order in which it became visible, since there is one writer at a time: the
// outbox of route changes, from which feeds and Redis follow, and events for people and programs. Both are
// cut at their old end; a reader that comes too late for a number begins with a snapshot. Thread: as the
// transaction's.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "control/store/environments.hpp"

namespace envgate::control::store {

struct RouteChange {
  long long generation = 0;
  std::string environment;
  std::string route;  // JSON; empty: gone
};

// The number that the next change of a route will have: its generation.
long long next_route_generation(Transaction& t);
// Publishes: the outbox, and the environment's own row (in memory: the caller updates it). An empty `json` is
// a route that goes.
void put_route(Transaction& t, Environment& environment, long long generation, const std::string& json);

struct RouteSnapshot {
  long long generation = 0;
  std::vector<std::string> routes;  // JSON each
};
RouteSnapshot all_routes(Transaction& t);
// The changes after `generation`; nothing: some of them have been cut off already.
std::optional<std::vector<RouteChange>> route_changes(Transaction& t, long long generation,
                                                      std::size_t limit);
long long route_generation(Transaction& t);

struct Event {
  long long seq = 0, at = 0;
  std::string environment, kind;
  std::string body;  // JSON
};
void append_event(Transaction& t, const std::string& environment, const std::string& kind,
                  const std::string& body);
// After `seq`; `environment` empty: of all.
std::vector<Event> events_after(Transaction& t, long long seq, const std::string& environment,
                                std::size_t limit);
long long newest_event(Transaction& t);
long long oldest_event(Transaction& t);  // of those that are kept; where there is none, the next one

// Keeps the newest so many of each.
void cut_changes(Transaction& t, long long keep);

}  // namespace envgate::control::store
