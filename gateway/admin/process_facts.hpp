// What the kernel knows of this process, for its metrics. Thread: any.
#pragma once

#include <cstdint>

namespace envgate::admin {

struct ProcessFacts {
  std::uint64_t open_fds = 0, max_fds = 0;
  std::uint64_t resident_bytes = 0, virtual_bytes = 0;
  double cpu_seconds = 0;
  double started = 0;  // seconds since 1970
};

// What cannot be read is left 0.
ProcessFacts read_process_facts();

}  // namespace envgate::admin
