// Whether something listens there. Blocks.
#pragma once

#include <chrono>
#include <stop_token>

#include "base/ip.hpp"

namespace envgate::control {

// Tries to connect until it succeeds, the time is up, or a stop is asked for.
bool wait_for_port(const Endpoint& endpoint, std::chrono::milliseconds time, const std::stop_token& stop);

}  // namespace envgate::control
