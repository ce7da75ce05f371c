#include "base/command_line.hpp"

#include <getopt.h>

#include <cstring>

namespace envgate {
namespace {

enum Option : int { kConfig = 1000, kEnvironment, kCheck, kSet, kExplain, kVersion, kHelp };

constexpr option kOptions[] = {{"config", required_argument, nullptr, kConfig},
                               {"environment", required_argument, nullptr, kEnvironment},
                               {"check", no_argument, nullptr, kCheck},
                               {"set", required_argument, nullptr, kSet},
                               {"explain", optional_argument, nullptr, kExplain},
                               {"version", no_argument, nullptr, kVersion},
                               {"help", no_argument, nullptr, kHelp},
                               {nullptr, 0, nullptr, 0}};

// getopt_long's own word for what it could not read. Source: getopt(3): '?' for an unknown or ambiguous
// option and for an argument that is not wanted, ':' for a missing one.
std::string unreadable(int answer, char** argv) {
  const std::string written = argv[optind - 1];
  if (answer == ':') return "option '" + written + "' needs a value";
  if (optopt >= kConfig) return "option '" + written.substr(0, written.find('=')) + "' takes no value";
  if (optopt != 0) return std::string("unknown option '-") + static_cast<char>(optopt) + "'";
  return "unknown or ambiguous option '" + written + "'";
}

// What is wrong, or nothing.
std::string take(int answer, CommandLine& line, int argc, char** argv) {
  switch (answer) {
    case 'c':
    case kConfig:
      if (*optarg == 0) return "--config needs a file";
      line.config = optarg;
      return "";
    case kEnvironment: line.environment = optarg; return "";
    case kCheck: line.check = true; return "";
    case kSet:
      if (std::strchr(optarg, '=') == nullptr || *optarg == '=')
        return "--set '" + std::string(optarg) + "' is not KEY=VALUE";
      line.sets.emplace_back(optarg);
      return "";
    case kExplain:
      line.explain = true;
      // getopt takes an optional value only as --explain=KEY; people also write --explain KEY.
      if (optarg)
        line.explain_key = optarg;
      else if (optind < argc && argv[optind][0] != '-')
        line.explain_key = argv[optind++];
      return "";
    case 'V':
    case kVersion: line.version = true; return "";
    case 'h':
    case kHelp: line.help = true; return "";
    default: return unreadable(answer, argv);
  }
}

}  // namespace

Result<CommandLine> parse_command_line(const ProgramText& program, int argc, char** argv) {
  CommandLine line;
  const auto misuse = [&](const std::string& what) {
    return fail(what + "; see " + program.name + " --help");
  };
  optind = 0;  // glibc: start afresh, so that a second call in one process (a test) works
  opterr = 0;
  // '+': stop at the first word that is no option, so that --explain's KEY is still where it was written.
  for (int answer; (answer = getopt_long(argc, argv, "+:c:hV", kOptions, nullptr)) != -1;) {
    if (const std::string wrong = take(answer, line, argc, argv); !wrong.empty()) return misuse(wrong);
  }
  if (optind < argc) return misuse("unexpected word '" + std::string(argv[optind]) + "'");
  if (line.check && line.explain) return misuse("--check and --explain exclude each other");
  return line;
}

std::string_view version() { return ENVGATE_VERSION; }

std::string usage(const ProgramText& program) {
  const std::string& name = program.name;
  return "Usage: " + name + " --config FILE [--environment NAME] [--set KEY=VALUE]...\n" + "       " + name +
         " --config FILE --check\n" + "       " + name + " --config FILE --explain [KEY]\n\n" +
         program.summary +
         "\n"
         "\n"
         "  -c, --config FILE       the settings, in YAML; without it every key has its default\n"
         "      --environment NAME  read FILE's neighbour <stem>.NAME.yaml on top of it\n"
         "                          (default: the variable ENVGATE_ENVIRONMENT)\n"
         "      --set KEY=VALUE     set one key, such as --set log.level=debug; may be repeated\n"
         "      --check             say everything that is wrong with the settings, and exit (0 or 1)\n"
         "      --explain [KEY]     say each key's value and where it comes from, and exit;\n"
         "                          KEY is a key (ssh.bind) or a section (ssh)\n"
         "  -V, --version           print the version, and exit\n"
         "  -h, --help              print this, and exit\n"
         "\n"
         "Later wins: defaults, FILE, the environment's file, ENVGATE_* variables (" +
         program.variable + "), --set, and what the admin socket sets while it runs.\n" + program.signals;
}

}  // namespace envgate
