// The warm parent of all session processes: it has the libraries loaded and their start-up work done, so that
// a session costs a fork(2) and no more, and it never reads a stranger's byte. It ends, and every session
// with it, when the gateway's end of its socket closes. Thread: the process's one.
#pragma once

#include "base/fd.hpp"

namespace envgate::ssh::session {

// Serves until the gateway is gone. Returns the process's exit status.
int keep(Fd gateway);

}  // namespace envgate::ssh::session
