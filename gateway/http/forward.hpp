// Takes one request to a target and its answer back: a pooled or new connection, the head regenerated, the
// body streamed both ways at once, nothing held whole. A websocket upgrade that the target accepts becomes a
// tunnel, which the caller runs. Thread: the worker's.
#pragma once

#include "gateway/http/exchange.hpp"
#include "gateway/http/target_pool.hpp"
#include "gateway/loop/task.hpp"
#include "gateway/session.hpp"
#include "gateway/worker.hpp"

namespace envgate::http {

struct ForwardTarget {
  routing::RoutePtr route;
  routing::HttpPort port;
};

// What became of it, for the log and the metrics.
struct Forwarded {
  int status = 0;  // sent to the client; 0: none
  std::string_view result = "success";  // a literal in snake_case
  std::uint64_t to_target = 0, to_client = 0;  // body bytes
  bool tunnel = false;
  TargetConnectionPtr tunnel_target;  // where a tunnel is now due: run_tunnel
  bool reusable = true;  // HTTP/1: the client's connection may carry another request
};

// Errors: answered to the client where its answer had not begun, else the exchange is aborted.
loop::Task<void> forward(gateway::Worker& worker, gateway::Session& session, Exchange& exchange,
                         const Client& client, const ForwardTarget& target, std::string_view request_id,
                         Forwarded& out);

}  // namespace envgate::http
