#include "gateway/admin/process_facts.hpp"

#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>

#include <ctime>
#include <fstream>
#include <sstream>
#include <string>

namespace envgate::admin {
namespace {

std::uint64_t count_open_fds() {
  DIR* const directory = ::opendir("/proc/self/fd");
  if (!directory) return 0;
  std::uint64_t count = 0;
  while (const dirent* const entry = ::readdir(directory)) count += entry->d_name[0] != '.';
  ::closedir(directory);
  return count - 1;  // the directory's own
}

// Fields 14, 15 and 22 of proc(5)'s stat: user and system time, and the start since boot, all in clock ticks.
void read_stat(ProcessFacts& out) {
  std::string text;
  std::ifstream file("/proc/self/stat");
  std::getline(file, text);
  const auto name_end = text.rfind(')');  // the name, field 2, may hold anything
  if (name_end == std::string::npos) return;
  std::istringstream fields(text.substr(name_end + 1));
  std::string word;
  double user = 0, system = 0, start = 0;
  for (int field = 3; field <= 22 && fields >> word; ++field) {
    if (field == 14) user = std::stod(word);
    if (field == 15) system = std::stod(word);
    if (field == 22) start = std::stod(word);
  }
  const auto ticks = static_cast<double>(::sysconf(_SC_CLK_TCK));
  timespec boot{}, now{};
  ::clock_gettime(CLOCK_BOOTTIME, &boot);
  ::clock_gettime(CLOCK_REALTIME, &now);
  const auto seconds = [](const timespec& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) / 1e9;
  };
  out.cpu_seconds = (user + system) / ticks;
  out.started = seconds(now) - seconds(boot) + start / ticks;
}

}  // namespace

ProcessFacts read_process_facts() {
  ProcessFacts out;
  out.open_fds = count_open_fds();
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) out.max_fds = limit.rlim_cur;
  std::uint64_t total = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> total >> resident;  // in pages
  const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  out.virtual_bytes = total * page;
  out.resident_bytes = resident * page;
  read_stat(out);
  return out;
}

}  // namespace envgate::admin
