// envctl: the operator's command line to the control plane and the gateway.
#include <cstdio>
#include <cstring>
#include <exception>
#include <string>
#include <vector>

#include "control/cli/commands.hpp"
#include "control/cli/exit_code.hpp"

namespace {

using namespace envgate::cli;

int run(const std::vector<std::string>& arguments) {
  if (arguments.size() == 1 && (arguments[0] == "--version" || arguments[0] == "-V")) {
    std::puts("envctl " ENVGATE_VERSION);
    return kOk;
  }
  const auto call = parse(all_commands(), arguments);
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
    std::fprintf(stderr, "envctl: the answer is not understood; is the server of another version? (%s)\n",
                 problem.what());
    return kFailed;
  }
}
