#include "control/reconcile/fault_point.hpp"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <string>

namespace envgate::control {

void fault_point(const char* name) {
  static const char* const at = std::getenv("ENVGATE_TEST_KILL_AT");
  static const char* const log = std::getenv("ENVGATE_TEST_KILL_LOG");
  if (!at && !log) return;
  static std::atomic<long> passed{0};
  const long number = ++passed;
  if (log) {
    const int file = ::open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    const std::string line = std::string(name) + "\n";
    if (file >= 0) (void)!::write(file, line.data(), line.size());
    if (file >= 0) ::close(file);
  }
  if (at && number == std::strtol(at, nullptr, 10)) ::kill(::getpid(), SIGKILL);
}

}  // namespace envgate::control
