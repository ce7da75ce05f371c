// Answers on http.bind: every request is sent to the same address under https.
// Thread: the worker's.
#pragma once

#include "gateway/http/h1_exchange.hpp"

namespace envgate::http {

// True if the connection may carry another request.
loop::Task<bool> redirect(gateway::Worker& worker, H1Exchange& exchange, const Client& client);

}  // namespace envgate::http
