// The monitor of one audited session: decides what the session process may not. It verifies who the customer
// is, finds where he may go, connects there, hands over the socket and the one credential, and keeps the
// record. The process is believed nothing: what it says is held against the state that it is in.
//
//   key_exchange -> authenticating -> onward -> relaying
//
// Thread: the worker's. Owns: its end of the socketpair; the client's socket only until the process has it.
#pragma once

#include "base/fd.hpp"
#include "gateway/guard.hpp"
#include "gateway/loop/task.hpp"
#include "gateway/session.hpp"
#include "gateway/worker.hpp"

namespace envgate::ssh::monitor {

// A client on its way in.
struct Arrival {
  gateway::Protocol via = gateway::Protocol::ssh_audited;
  Endpoint peer;
  routing::RoutePtr route;  // that its port or name stands for; null: the user name says
  gateway::Permit source;   // its place among the connections of its source
  Fd client;
};

// Serves the client until its session has ended. Requires: worker.shared.audited.
loop::Task<void> watch_over(gateway::Worker& worker, Arrival arrival);

}  // namespace envgate::ssh::monitor
