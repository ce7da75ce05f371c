// What happens to a request once its head is known good, in any HTTP version: name -> environment -> route ->
// may it in? -> forward, or one of the gateway's own answers; and one line in the access log at the end.
// Thread: the worker's.
#pragma once

#include <array>

#include "gateway/http/exchange.hpp"
#include "gateway/session.hpp"
#include "gateway/worker.hpp"

namespace envgate::http {

// True if an HTTP/1 client's connection may carry another request.
loop::Task<bool> respond(gateway::Worker& worker, gateway::Session& session, Exchange& exchange,
                         const Client& client);

// Counts and logs a request that never had a route: refused while it was read, or sent to https.
void log_unrouted(gateway::Worker& worker, const Client& client, int status, std::string_view reason,
                 std::string_view request_id);

// 16 hex digits, unique per gateway process and unguessable enough not to be mistaken for another's.
class RequestId {
 public:
  RequestId();
  operator std::string_view() const { return {text_.data(), text_.size()}; }

 private:
  std::array<char, 16> text_;
};

}  // namespace envgate::http
