#include "base/check.hpp"

#include <cstdio>
#include <cstdlib>

namespace envgate {

void check_failed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "envgate: internal error: CHECK(%s) failed at %s:%d\n", condition, file, line);
  std::abort();
}

}  // namespace envgate
