// From a client's first byte to its admission: the key exchange, the monitor's questions and answers, the
// login at the target. Blocking: until it is through, the process has nothing else to do. Thread: the
// session's.
#pragma once

#include <optional>

#include "gateway/ssh/session/leg.hpp"
#include "gateway/ssh/session/link.hpp"

namespace envgate::ssh::session {

// What the monitor admitted; nothing: it is over, and the monitor knows.
std::optional<monitor::Admit> log_in(Link& link, Fd client_socket, ClientLeg& client, TargetLeg& target);

}  // namespace envgate::ssh::session
