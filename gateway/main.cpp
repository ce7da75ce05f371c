// envgate: reads its settings, starts the gateway, and turns signals into what they ask for.
//   SIGTERM, SIGINT  drain; a second one ends at once
//   SIGHUP           read settings, certificates and routes again
//   SIGUSR1          open the log file anew (after logrotate)
#include <signal.h>

#include <cerrno>
#include <cstdio>
#include <ctime>
#include <exception>

#include "gateway/gateway.hpp"

namespace {

using namespace envgate;
using std::chrono::steady_clock;

constexpr timespec kTick{0, 100'000'000};  // how often a drain looks whether it is done
constexpr std::chrono::seconds kCertificateCheck{5};

sigset_t our_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGUSR1}) sigaddset(&set, signal);
  return set;
}

// Until the gateway is to end. Returns the process's exit status.
int supervise(gateway::Gateway& gateway) {
  const sigset_t set = our_signals();
  auto next_check = steady_clock::now() + kCertificateCheck;
  auto drain_until = steady_clock::time_point::max();
  for (;;) {
    const int signal = sigtimedwait(&set, nullptr, &kTick);
    if (signal == SIGTERM || signal == SIGINT) {
      if (gateway.draining()) break;
      gateway.drain();
      drain_until = steady_clock::now() + gateway.snapshot()->values.timeouts.drain;
    } else if (signal == SIGHUP) {
      (void)gateway.reload();
    } else if (signal == SIGUSR1) {
      if (auto reopened = log::reopen(); !reopened) log::error("log_reopen_failed").error(reopened.error());
    }
    if (gateway.draining() &&
        drain_until == steady_clock::time_point::max())  // asked for over the admin socket
      drain_until = steady_clock::now() + gateway.snapshot()->values.timeouts.drain;
    if (gateway.draining() && (gateway.open_connections() == 0 || steady_clock::now() >= drain_until)) break;
    if (steady_clock::now() >= next_check) {
      gateway.refresh_certificates();
      next_check = steady_clock::now() + kCertificateCheck;
    }
  }
  gateway.stop();
  return 0;
}

int run(int argc, char** argv) {
  const std::string& name = gateway::program_text().name;
  auto line = parse_command_line(gateway::program_text(), argc, argv);
  if (!line) {
    std::fprintf(stderr, "%s\n", line.error().message.c_str());
    return kMisuse;
  }
  if (line->help || line->version) {
    const std::string text =
        line->help ? usage(gateway::program_text()) : name + " " + std::string(version()) + "\n";
    std::fputs(text.c_str(), stdout);
    return 0;
  }
  const settings::Texts variables = settings::process_variables();
  const settings::Sources sources = settings::sources_of(*line, variables);
  if (line->check) return settings::print_check(name, gateway::gateway_schema(), sources);
  if (line->explain)
    return settings::print_explain(name, gateway::gateway_schema(), sources, line->explain_key);

  auto snapshot = gateway::load_gateway_settings(*line, variables);
  if (!snapshot) return settings::print_errors(name, snapshot.error());
  // Every thread inherits the mask: signals arrive in supervise() alone. splice(2) has no MSG_NOSIGNAL.
  const sigset_t set = our_signals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  log::set_level((*snapshot)->values.log.level);
  if (auto opened = log::open((*snapshot)->values.log.file); !opened) {
    std::fprintf(stderr, "envgate: %s\n", opened.error().message.c_str());
    return 1;
  }
  gateway::Gateway gateway(std::move(*line), variables, std::move(*snapshot));
  auto started = gateway.start();
  if (!started) {
    log::error("start_failed").error(started.error());
    std::fprintf(stderr, "envgate: %s\n", started.error().message.c_str());
    return 1;
  }
  return supervise(gateway);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& problem) {
    std::fprintf(stderr, "envgate: %s\n", problem.what());
    return 1;
  }
}
