// An HTTP/1.x client's connection: one request after another, each answered before the next is looked at, so
// that pipelined ones are answered in order.
//
// Memory: between requests it holds no buffer. During one, the head stays where it was read, as views of it
// are used to the end; the body goes through a second buffer. Thread: the worker's.
#pragma once

#include "gateway/http/exchange.hpp"
#include "gateway/net/stream.hpp"
#include "gateway/session.hpp"
#include "gateway/worker.hpp"

namespace envgate::http {

// What the connection is for.
enum class H1Purpose : std::uint8_t {
  forward,   // to environments
  redirect,  // http.bind: everything is sent to https
};

// Serves until either side ends. The stream stays open; the caller closes it.
loop::Task<void> serve_h1(gateway::Worker& worker, gateway::Session& session, net::Stream& stream,
                          const Client& client, H1Purpose purpose);

}  // namespace envgate::http
