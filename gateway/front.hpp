// The first steps of a connection on one of the gateway's own listeners: may it in, who is it really, TLS,
// and then which protocol.   listener -> here -> (tls) -> ssh | http Thread: the worker's.
#pragma once

#include "gateway/loop/task.hpp"
#include "gateway/net/listener.hpp"
#include "gateway/worker.hpp"

namespace envgate::gateway {

loop::Task<void> serve_https(Worker& worker, net::Accepted accepted);
loop::Task<void> serve_http_redirect(Worker& worker, net::Accepted accepted);

}  // namespace envgate::gateway
