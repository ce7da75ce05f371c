// envgate-control: reads its settings, starts the controller, and turns signals into what they ask for.
//   SIGTERM, SIGINT  end
//   SIGHUP           reload the settings
//   SIGUSR1          open the log file anew (after logrotate)
#include <signal.h>

#include <cstdio>
#include <exception>

#include "base/settings_program.hpp"
#include "control/controller.hpp"

namespace {

using namespace envgate;

int run(int argc, char** argv) {
  const ProgramText& program = control::program_text();
  auto line = parse_command_line(program, argc, argv);
  if (!line) {
    std::fprintf(stderr, "%s\n", line.error().message.c_str());
    return kMisuse;
  }
  if (line->help || line->version) {
    const std::string text = line->help ? usage(program) : program.name + " " + std::string(version()) + "\n";
    std::fputs(text.c_str(), stdout);
    return 0;
  }
  const settings::Sources sources = settings::sources_of(*line, settings::process_variables());
  if (line->check) return settings::print_check(program.name, control::control_schema(), sources);
  if (line->explain)
    return settings::print_explain(program.name, control::control_schema(), sources, line->explain_key);
  auto snapshot = settings::load(control::control_schema(), sources);
  if (!snapshot) return settings::print_errors(program.name, snapshot.error());

  // Every thread inherits the mask: signals arrive below alone.
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGUSR1}) sigaddset(&signals, signal);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  const auto& log = (*snapshot)->values.control.log;
  log::set_level(log.level);
  auto ready = log::open(log.file);
  control::Controller controller(std::move(*snapshot));
  if (ready) ready = controller.start();
  if (!ready) {
    log::error("start_failed").error(ready.error());
    std::fprintf(stderr, "envgate-control: %s\n", ready.error().message.c_str());
    return 1;
  }
  for (int signal = 0; sigwait(&signals, &signal) == 0 && (signal == SIGHUP || signal == SIGUSR1);) {
    if (signal == SIGHUP)
      controller.reload(sources);
    else if (auto reopened = log::reopen(); !reopened)
      log::error("log_reopen_failed").error(reopened.error());
  }
  log::info("control_ends");
  controller.stop();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& problem) {
    std::fprintf(stderr, "envgate-control: %s\n", problem.what());
    return 1;
  }
}
