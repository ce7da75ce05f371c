// Shows a terminal of an open session on ours, as it goes on. Thread: main's.
#pragma once

#include "control/cli/control_client.hpp"

namespace envgate::cli {

struct WatchOptions {
  std::size_t channel = 0;  // 0: the first that shows anything
  bool raw = false;         // all that comes goes to the terminal
};

// Until the session ends; SIGINT and SIGTERM end it too, and leave the terminal as it was found.
Asked<void> watch(const std::string& socket, const std::string& id, const WatchOptions& options);

}  // namespace envgate::cli
