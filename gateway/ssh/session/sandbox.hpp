// What a session process may not do, before it reads a stranger's first byte: no file, no new socket, no
// program, no thread, no other process; little memory. Thread: the process's one.
// Source: seccomp(2), setrlimit(2), libseccomp; OpenSSH's sandbox-seccomp-filter.c for the manner.
#pragma once

#include <chrono>
#include <cstdint>

#include "base/result.hpp"

namespace envgate::ssh::session {

struct Bounds {
  std::uint64_t memory = 192ull << 20;  // bytes of address space above what the warm parent has
  std::chrono::seconds login_cpu{20};   // CPU time until lift_login_bounds(): SIGXCPU ends the process
  unsigned descriptors = 1100;          // client, target, monitor, and connections of a jump session
};

// Errors: the kernel refuses; the process must then end.
Result<void> enter_sandbox(const Bounds& bounds);

// The customer is who he says: CPU time is his from here on.
void lift_login_bounds();

}  // namespace envgate::ssh::session
