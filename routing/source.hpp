// What feeds the routing engine: one interface for the control plane's feed, Redis and a file.
// Thread: the routing thread, all of it.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.hpp"
#include "routing/book.hpp"
#include "routing/loop.hpp"
#include "routing/router.hpp"

namespace envgate::routing {

// What a source is given to work with: the core of the Router.
class SourceHost {
 public:
  virtual Loop& loop() = 0;
  virtual RouteBook& book() = 0;
  // The store said something just now, whatever it was.
  virtual void heard() = 0;
  // `error` says why, unless the state is live. A first `live`, or a `fatal` error, ends the wait in start().
  virtual void set_state(SourceState state, const std::string& error) = 0;
  virtual void fatal(const std::string& error) = 0;
  virtual void set_connected(bool connected) = 0;
  virtual void set_epoch(std::uint64_t epoch) = 0;
  // Which server the routes come from; kept in the snapshot.
  virtual const std::string& known_server() const = 0;
  virtual void set_known_server(const std::string& server) = 0;
  // An environment has been looked at: whoever waits for it gets what the table has now.
  virtual void answered(const EnvId& env) = 0;

 protected:
  ~SourceHost() = default;
};

class Source {
 public:
  virtual ~Source() = default;
  virtual void start() = 0;
  virtual void stop() = 0;
  // Look at this environment, and say host.answered(). May be called again for the same one before that.
  virtual void ask(const EnvId& env) = 0;
  // The operator asked for a fresh look at everything.
  virtual void reload() = 0;
  // The end of a turn of the loop: send what has been put together.
  virtual void flush() {}
  // Whether routes stop being served when the source has been away for max_stale.
  virtual bool expires() const = 0;
};

}  // namespace envgate::routing
