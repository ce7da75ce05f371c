// envctl: the operator's command line, and `envctl connect`, which brings ssh through TLS.
#include <cstdio>
#include <cstring>
#include <exception>
#include <string>
#include <vector>

#include "control/cli/connect.hpp"
#include "control/cli/exit_code.hpp"
#include "control/cli/gateway_commands.hpp"

namespace {

using namespace envgate::cli;

int run(const std::vector<std::string>& arguments) {
  std::vector<Command> commands(gateway_commands().begin(), gateway_commands().end());
  commands.push_back(connect_command());
  if (arguments.size() == 1 && (arguments[0] == "--version" || arguments[0] == "-V")) {
    std::puts("envctl " ENVGATE_VERSION);
    return kOk;
  }
  const auto call = parse(commands, arguments);
  if (!call) {
    std::fprintf(stderr, "envctl: %s\n", call.error().message.c_str());
    return kMisuse;
  }
  if (!call->help.empty()) std::fputs(call->help.c_str(), stdout);
  const int status = call->command ? call->command->run(*call) : kOk;
  if (status == kOk && std::fflush(stdout) != 0) {
    std::fprintf(stderr, "envctl: cannot write to standard output: %s\n", std::strerror(errno));
    return kFailed;
  }
  return status;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run({argv + 1, argv + argc});
  } catch (const std::exception& problem) {
    std::fprintf(stderr, "envctl: the answer is not understood; is the gateway of another version? (%s)\n",
                 problem.what());
    return kFailed;
  }
}
