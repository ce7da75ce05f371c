// An admitted session: the connection protocol's packets from one leg to the other as they are, under the
// eyes of a Connection, until either end goes. A leg is read only while the other one, and the monitor, keep
// up: what is kept here is bounded. Thread: the session's one. Requires: the legs are joined nowhere else.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "gateway/ssh/session/leg.hpp"
#include "gateway/ssh/session/link.hpp"

namespace envgate::ssh::session {

// Returns when it is over; the monitor has been told.
void relay(Link& link, ClientLeg& client, TargetLeg& target, const monitor::Policy& policy);

}  // namespace envgate::ssh::session
