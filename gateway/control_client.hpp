// Asks the control plane on this machine, over its Unix socket: one request and its JSON answer, on a
// connection of its own. Small things, a few for each login: what is large or frequent is the feed's
// (routing/control). Thread: the reactor's. Errors: no answer in time, or none that can be read.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "gateway/loop/reactor.hpp"
#include "gateway/loop/task.hpp"

namespace envgate::gateway {

struct ControlAnswer {
  int status = 0;    // of HTTP
  std::string body;  // JSON; may hold a secret: wipe it
};

// `request`: "POST /api/...". `body`: JSON.
loop::Task<Result<ControlAnswer>> ask_control(loop::Reactor& reactor, std::string socket, std::string request,
                                              std::string body, loop::Deadline deadline);

// What a refusal says: RFC 9457's detail or title; the status where there is none.
std::string problem_text(const ControlAnswer& answer);

}  // namespace envgate::gateway
