// An environment that is stopped, and whose policy is to start on demand, is started because somebody came.
// The control plane starts it once, however many ask; here each one who came asks how far it is, and waits
// until its route leads somewhere. Thread: the worker's.
#pragma once

#include <functional>
#include <string>

#include "gateway/loop/task.hpp"
#include "gateway/worker.hpp"

namespace envgate::gateway {

// Stopped, and to be started by who comes.
bool sleeps(const Worker& worker, const routing::Route& route);

struct Woken {
  routing::RoutePtr route;  // running; null: it does not
  std::string why;          // not, for who waits
  bool timed_out = false;
};

// Who came, and waits.
struct Waiter {
  std::string why;  // for the audit
  // What is going on, in a line for people: "starting: pull", "position 3 in the queue". Told once each.
  std::function<void(const std::string&)> progress = [](const std::string&) {};
  std::function<bool()> gone;  // he waits no more
};

// Asks for a start and waits for it, until `deadline` at most. Requires: sleeps(worker, *route).
loop::Task<Woken> wake(Worker& worker, routing::RoutePtr route, Waiter waiter, loop::Deadline deadline);

// As above for who does not wait: asks for the start, and says how far it is. However many ask, the control
// plane is asked once a second for each environment. Errors: why it does not start.
loop::Task<Result<std::string>> ask_to_wake(Worker& worker, routing::EnvId env, std::string why);

}  // namespace envgate::gateway
