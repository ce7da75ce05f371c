// Plays a record on the terminal, in its own time. Thread: main's.
#pragma once

#include <optional>

#include "control/cli/exit_code.hpp"
#include "record/cast_reader.hpp"

namespace envgate::cli {

struct ReplayOptions {
  double speed = 1;                  // > 0
  std::optional<double> idle_limit;  // seconds of the record; a longer pause is made this long
  bool raw = false;                  // all that was recorded goes to the terminal
};

// SIGINT and SIGTERM end it, and leave the terminal as it was found. Errors: of the record.
Result<void> replay(record::CastReader& cast, const ReplayOptions& options);

}  // namespace envgate::cli
