// The routing engine's face: what the gateway uses. It owns the table, the source that feeds it, and the one
// thread on which everything that changes a route happens. Lookups go straight to the table through a Reader.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "routing/route.hpp"
#include "routing/settings.hpp"
#include "routing/table.hpp"

namespace envgate::routing {

// What became of one environment's route. A new one has no `before`, one that is gone no `after`.
struct RouteChange {
  EnvId id;
  RoutePtr before;
  RoutePtr after;
};

enum class SourceState : std::uint8_t {
  loading,  // nothing has been read yet; a snapshot may be served meanwhile
  live,     // what is served is what the source says
  stale,    // the source is away or wrong: the last good routes are served
  down,     // away for longer than max_stale: nothing is served
};
std::string_view to_string(SourceState state);

struct RouterStatus {
  SourceKind source = SourceKind::file;
  SourceState state = SourceState::loading;
  bool connected = false;
  std::chrono::milliseconds age{0};  // since the source was last heard; since 1970 if never
  std::size_t routes = 0;
  std::size_t restored = 0;  // routes that the snapshot brought at the start
  std::map<std::string, std::size_t> refused;  // now, by reason
  std::uint64_t epoch = 0;                     // connections (control, redis) or loads (file) so far
  std::string last_error;                      // empty when all is well
};

// The answer to a miss.
struct Resolution {
  enum class Outcome : std::uint8_t {
    found,
    absent,       // the source says that there is no such environment
    unavailable,  // the source could not be asked in time: say "try again", not "unknown"
  };
  Outcome outcome = Outcome::unavailable;
  RoutePtr route;  // with `found`
};

struct RoutePage {
  std::vector<RoutePtr> routes;  // by id
  std::optional<EnvId> next;     // the cursor of the following page; nothing after the last
};

class Router {
 public:
  using Changed = std::function<void(std::span<const RouteChange>)>;
  using Resolved = std::function<void(Resolution)>;

  explicit Router(RoutingSettings settings);
  ~Router();  // stops; Requires: every Reader is gone
  Router(const Router&) = delete;
  Router& operator=(const Router&) = delete;

  // Requires: before start(). `changed` runs on the routing thread, in batches, after the table shows the
  // change; the routes of the snapshot and of the first load come this way too. It must not block.
  void subscribe(Changed changed);

  // Loads the snapshot, starts the routing thread and waits up to `start_wait` for the first load. A Redis
  // or a control plane that is away is no error: routes come when it does. Errors: a route file that is
  // missing or wrong while there is no snapshot, a socket's path that is too long, a malformed redis URL, an
  // evicting Redis with `require_noeviction`.
  Result<void> start();
  // Writes the snapshot and joins the thread. Waiting resolves are answered `unavailable` first. May be
  // repeated.
  void stop();

  // Thread: any, for a Reader of the calling thread's own.
  std::unique_ptr<Reader> make_reader();

  // Asks the source about an environment that the table does not have, once however many ask. `resolved` runs
  // on the routing thread, within `miss_deadline`. False if too many are waiting already: then it is not
  // called at all, and the client should be told to try again. Thread: any.
  [[nodiscard]] bool resolve(const EnvId& env, Resolved resolved);

  // The source said so a moment ago: no need to ask. Thread: any; wait-free.
  bool known_absent(const EnvId& env) const;

  // Thread: any, off the hot path: they take locks, and list() walks the whole table for each page.
  RouterStatus status() const;
  RoutePtr get(const EnvId& env) const;
  RoutePage list(const std::optional<EnvId>& after, std::size_t limit) const;

  // Takes over what may change while running: allowed_targets, max_stale, listen_ports, reserved_ports; and
  // reads a route file again. Thread: any; happens on the routing thread, soon.
  void reload(const RoutingSettings& settings);

 private:
  class Core;
  std::unique_ptr<Core> core_;
};

}  // namespace envgate::routing
