// How a backend says that it could not: a message for the operator (what failed, with what, the remedy) and a
// cause for the reconciler, which decides by it whether trying again can help.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

namespace envgate::backends {

enum class Cause : std::uint8_t {
  unreachable,  // the engine is not there, or broke off: try again later
  timeout,      // the deadline passed; what was begun may still happen
  cancelled,    // the caller's stop_token
  denied,       // rights or credentials are missing: an operator must act
  invalid,      // the spec can never work here
  missing,      // an image, or something else that the spec names, is not there
  conflict,     // what has our name is not ours or is newer, or a port is taken: never touched
  exhausted,    // no space, no memory, no free GPU or network: may pass
  failed,       // anything else
};

constexpr std::string_view to_string(Cause cause) {
  constexpr std::string_view names[] = {"unreachable", "timeout",  "cancelled", "denied", "invalid",
                                        "missing",     "conflict", "exhausted", "failed"};
  return names[static_cast<std::size_t>(cause)];
}

struct Failure {
  Cause cause = Cause::failed;
  std::string message;
};

template <typename T>
using Outcome = tl::expected<T, Failure>;

inline tl::unexpected<Failure> failure(Cause cause, std::string message) {
  return tl::unexpected(Failure{cause, std::move(message)});
}

}  // namespace envgate::backends
