// What an operation that can fail returns. Expected failures are values, never exceptions; end of file and
// would-block are not failures at all and have their own types where they occur.
#pragma once

#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

namespace envgate {

// A failure, told for the operator: what failed, with what, and what can be done about it.
struct Error {
  std::string message;
  int code = 0;  // errno where a system call failed, else 0
};

template <typename T>
using Result = tl::expected<T, Error>;

using Failure = tl::unexpected<Error>;

inline Failure fail(std::string message, int code = 0) { return Failure(Error{std::move(message), code}); }

// `what` followed by the text of `code`: "bind 0.0.0.0:443: Permission denied".
Failure fail_errno(std::string_view what, int code);

}  // namespace envgate
