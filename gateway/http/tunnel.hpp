// A websocket after its handshake: bytes both ways that nobody here looks into, until either side ends.
// Thread: the worker's.
#pragma once

#include <string_view>

#include "gateway/http/exchange.hpp"
#include "gateway/http/target_pool.hpp"
#include "gateway/relay/relay.hpp"
#include "gateway/worker.hpp"

namespace envgate::http {

// Runs until it is over; returns why, a literal for the log. Adds its bytes to `progress`.
loop::Task<std::string_view> run_tunnel(gateway::Worker& worker, Exchange& exchange,
                                        TargetConnection& connection, const relay::Throttle& throttle,
                                        relay::Progress& progress);

}  // namespace envgate::http
