// Copies between two plain file descriptors and a TLS connection until both directions have ended, each in
// its own time: the end of input becomes close_notify, and the peer's close_notify closes our output. Thread:
// the caller's; blocks until the end.
#pragma once

#include <string>

#include "base/result.hpp"

struct ssl_st;

namespace envgate::cli {

// Requires: `ssl` is connected and its socket non-blocking; SIGPIPE is ignored. `output` is closed when the
// peer's direction ends; `input` is never changed. Errors: the connection broke off, or `output` cannot be
// written.
Result<void> pump(ssl_st* ssl, int input, int output);

}  // namespace envgate::cli
