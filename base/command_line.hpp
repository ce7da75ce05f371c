// The command line of a server (`envgate`, `envgate-control`), the same for each, and the two things it can
// do instead of serving: `--check` and `--explain`. Used once, by main, before any thread starts.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace envgate {

struct ProgramText {
  std::string name;      // "envgate"
  std::string summary;   // a line for --help
  std::string variable;  // an example: "ENVGATE_SSH_BIND is\nssh.bind"
  std::string signals;   // the last lines of --help, ended
};

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
Result<CommandLine> parse_command_line(const ProgramText& program, int argc, char** argv);

inline constexpr int kMisuse = 2;

std::string_view version();                     // "0.1.0"
std::string usage(const ProgramText& program);  // ends with a newline

}  // namespace envgate
