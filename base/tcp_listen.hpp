// A TCP socket that listens, made while the process may still have the right to. Thread: any.
#pragma once

#include "base/fd.hpp"
#include "base/ip.hpp"
#include "base/result.hpp"

namespace envgate {

struct BindOptions {
  bool reuse_port = false;  // several sockets share the port, one per reactor
  int backlog = 4096;       // capped by net.core.somaxconn
};

// A non-blocking TCP socket that listens. An address of all zeros is "::" with IPV6_V6ONLY off, or 0.0.0.0
// where the machine has no IPv6. Errors: the errno with the address in the message.
Result<Fd> bind_listener(const Endpoint& local, const BindOptions& options);

Result<Endpoint> local_endpoint(int fd);

}  // namespace envgate
