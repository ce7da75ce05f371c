#include "base/result.hpp"

#include <system_error>

namespace envgate {

Failure fail_errno(std::string_view what, int code) {
  std::string message(what);
  message += ": ";
  message += std::generic_category().message(code);
  return fail(std::move(message), code);
}

}  // namespace envgate
