// The ways into an audited session: from a connection to its monitor. Thread: the worker's.
#pragma once

#include "gateway/loop/task.hpp"
#include "gateway/net/listener.hpp"
#include "gateway/net/socket.hpp"
#include "gateway/worker.hpp"

namespace envgate::ssh {

// Whether this route's SSH is for the functions below: it asks for it, and this gateway serves it.
bool is_audited(const gateway::Worker& worker, const routing::Route& route);

// A client on the listening port of `route`; `source`: its place among the connections of its source.
loop::Task<void> serve_audited(gateway::Worker& worker, net::Socket& client, Endpoint peer,
                               routing::RoutePtr route, gateway::Permit source);

// A client behind TLS: its bytes go to the session process through a socketpair.
loop::Task<void> serve_audited(gateway::Worker& worker, net::Stream& client, Endpoint peer,
                               routing::RoutePtr route);

// A client on ssh.audited.bind, whose user name says where to.
loop::Task<void> serve_shared_entry(gateway::Worker& worker, net::Accepted accepted);

}  // namespace envgate::ssh
