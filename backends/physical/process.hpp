// One program of this machine, run to its end without a shell: an argument vector, an input, a bounded
// output. The control plane's way to the system's OpenSSH client.
//
// Thread: any; blocks. The caller need not ignore SIGPIPE, and no other thread may wait for any child (-1).
#pragma once

#include <string>
#include <vector>

#include "backends/backend.hpp"

namespace envgate::backends::physical {

struct Program {
  std::vector<std::string> argv;  // argv[0] is an absolute path
  Secret input;                   // all of its standard input
  std::size_t most_output = 1 << 20;
};

struct Ended {
  int status = 0;   // of exit; 128 + the signal that ended it
  std::string out;  // at most Program::most_output
  std::string err;  // its first 16 KiB
};

// In a session of its own, with nothing of our environment but a PATH, and no descriptor beyond the three. It
// is killed with the calling thread. Errors: failed (cannot be started, or says more than it may), timeout,
// cancelled; it is killed and reaped.
Outcome<Ended> run(const Program& program, const Call& call);

}  // namespace envgate::backends::physical
