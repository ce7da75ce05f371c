// Who listens on this machine, as the kernel lists it (proc(5), /proc/net/tcp and tcp6). Thread: any.
#pragma once

#include <string_view>
#include <vector>

#include "base/ip.hpp"

namespace envgate::control::api {

// The listening sockets of one table; lines that are not understood are passed over. Pure.
std::vector<Endpoint> parse_listening(std::string_view table);

// Of this network namespace: in ascending order, each once.
std::vector<Endpoint> listening_here();

bool is_loopback(const IpAddress& address);
// Loopback, RFC 1918, RFC 6598, link-local, RFC 4193: not reached from the Internet. All zeros is not.
bool is_private(const IpAddress& address);

}  // namespace envgate::control::api
