// A websocket after its handshake: bytes both ways that nobody here looks into, until either side ends.
// Thread: the worker's.
#pragma once

#include "gateway/http/exchange.hpp"
#include "gateway/http/forward.hpp"
#include "gateway/loop/task.hpp"
#include "gateway/session.hpp"
#include "gateway/worker.hpp"

namespace envgate::http {

// Runs the tunnel to `out.tunnel_target`, which forward() has opened, until it is over; then `out` tells why
// and how many bytes. Apart from forward(), whose memory a tunnel that is idle for days need not hold.
loop::Task<void> run_tunnel(gateway::Worker& worker, gateway::Session& session, Exchange& exchange,
                            const routing::Route& route, Forwarded& out);

}  // namespace envgate::http
