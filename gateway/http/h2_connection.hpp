// An HTTP/2 client's connection: nghttp2 frames it, each stream is an Exchange of its own, and what all
// streams have to say is written once per turn of the reactor. Thread: the worker's.
#pragma once

#include "gateway/http/exchange.hpp"
#include "gateway/net/stream.hpp"
#include "gateway/session.hpp"
#include "gateway/worker.hpp"

namespace envgate::http {

// Serves until either side ends. The stream stays open; the caller closes it.
loop::Task<void> serve_h2(gateway::Worker& worker, gateway::Session& session, net::Stream& stream,
                          const Client& client);

}  // namespace envgate::http
