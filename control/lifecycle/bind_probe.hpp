// Whether a TCP port is free on this machine now. Source: bind(2) without SO_REUSEADDR, on the wildcard.
#pragma once

#include <cstdint>

namespace envgate::control {
bool can_bind_port(std::uint16_t port);
}
