// What a program in a container wrote, taken out of the engine's multiplexed stream: frames of eight bytes
// (stream, three zeros, length in network order) and their payload. Pure.
// Source: Docker Engine API, "Attach to a container", the section on the stream format.
#pragma once

#include <string>
#include <string_view>

#include "backends/failure.hpp"

namespace envgate::backends::docker {

struct ExecOutput {
  std::string out;
  std::string err;
};

// Errors: an unknown stream, or a frame that is longer than what came.
Outcome<ExecOutput> parse_exec_frames(std::string_view stream);

}  // namespace envgate::backends::docker
