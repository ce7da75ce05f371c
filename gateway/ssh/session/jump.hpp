// A session without a target: it passes connections on (ssh -J), and does nothing else. Each direct-tcpip
// channel is asked of the monitor, which answers with a connected socket; what is inside, SSH end to end to
// where it goes, is not looked at here. Thread: the session's one.
#pragma once

#include "gateway/ssh/session/leg.hpp"
#include "gateway/ssh/session/link.hpp"

namespace envgate::ssh::session {

// Returns when it is over; the monitor has been told.
void serve_jumps(Link& link, ClientLeg& client);

}  // namespace envgate::ssh::session
