// The command line of `envgate`, and the two things it can do instead of serving: `--check` and `--explain`.
// Used once, by main, before any thread starts.
#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"

namespace envgate::gateway {

struct CommandLine {
  std::string config;             // --config FILE; empty: no file
  std::string environment;        // --environment NAME; empty: as ENVGATE_ENVIRONMENT says, or none
  std::vector<std::string> sets;  // --set KEY=VALUE, in order
  bool check = false;
  bool explain = false;
  std::string explain_key;  // empty: every key
  bool version = false;
  bool help = false;
};

// Errors: misuse; the message names the option and ends with a hint at --help. Exit with kMisuse.
// Thread: one at a time (getopt_long keeps its state in globals). Leaves argv as it is.
Result<CommandLine> parse_command_line(int argc, char** argv);

inline constexpr int kMisuse = 2;

std::string usage();         // ends with a newline
std::string version_text();  // ends with a newline

}  // namespace envgate::gateway
