// CHECK: an invariant of our own code. It ends the process with the place and the condition; it is never used
// on what a peer, a file or an operator supplied.
#pragma once

namespace envgate {
[[noreturn]] void check_failed(const char* condition, const char* file, int line);
}

#define CHECK(condition)                                                       \
  do {                                                                         \
    if (!(condition)) [[unlikely]]                                             \
      ::envgate::check_failed(#condition, __FILE__, __LINE__);                 \
  } while (false)
