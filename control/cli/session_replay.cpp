#include "control/cli/session_replay.hpp"

#include <poll.h>

#include <algorithm>
#include <chrono>
#include <csignal>

#include "control/cli/terminal.hpp"
#include "record/terminal_filter.hpp"

namespace envgate::cli {
namespace {

using Clock = std::chrono::steady_clock;
constexpr double kLongestPause = 365.0 * 24 * 3600;

volatile std::sig_atomic_t interrupted = 0;

void on_signal(int) { interrupted = 1; }

// The two signals are blocked but for the wait, so that none is missed just before it.
class Signals {
 public:
  Signals() {
    sigset_t ending;
    sigemptyset(&ending);
    for (const int signal : kEnding) sigaddset(&ending, signal);
    ::sigprocmask(SIG_BLOCK, &ending, &before_);
    struct sigaction action {};
    action.sa_handler = on_signal;
    for (const int signal : kEnding) ::sigaction(signal, &action, nullptr);
  }
  ~Signals() {
    for (const int signal : kEnding) std::signal(signal, SIG_DFL);
    ::sigprocmask(SIG_SETMASK, &before_, nullptr);
  }

  // False: one of them came.
  bool wait_until(Clock::time_point when) const {
    do {
      const auto left = std::max(when - Clock::now(), Clock::duration::zero());
      const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(left);
      const timespec time{static_cast<time_t>(seconds.count()),
                          static_cast<long>(std::chrono::nanoseconds(left - seconds).count())};
      ::ppoll(nullptr, 0, &time, &before_);
    } while (!interrupted && Clock::now() < when);
    return !interrupted;
  }

 private:
  static constexpr int kEnding[] = {SIGINT, SIGTERM};
  sigset_t before_;
};

// Colours, margins and the cursor as they were; the main screen.
void restore_terminal(bool alternate) {
  if (is_terminal(stdout))
    print(stdout, std::string(alternate ? "\x1b[?1049l" : "") + "\x1b[!p\x1b[0m\x1b[?25h\r\n");
  std::fflush(stdout);
}

}  // namespace

Result<void> replay(record::CastReader& cast, const ReplayOptions& options) {
  const Signals signals;
  record::TerminalFilter filter;
  Result<void> result;
  double before = 0;
  auto when = Clock::now();
  while (true) {
    const auto event = cast.next();
    if (!event) result = tl::unexpected(event.error());
    if (!event || !*event) break;
    const double pause =
        std::clamp((*event)->seconds - before, 0.0, options.idle_limit.value_or(kLongestPause));
    before = (*event)->seconds;
    when += std::chrono::duration_cast<Clock::duration>(
        std::chrono::duration<double>(std::min(pause / options.speed, kLongestPause)));
    if ((*event)->code != 'o') continue;
    if (!signals.wait_until(when)) break;
    print(stdout, options.raw ? (*event)->data : filter.take((*event)->data));
    if (std::fflush(stdout) != 0) break;
  }
  restore_terminal(filter.on_alternate_screen());
  return result;
}

}  // namespace envgate::cli
