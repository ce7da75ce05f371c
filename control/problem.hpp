// Why a request was refused, as REST tells it (RFC 9457): a status, a code for programs, words for people,
// and every field that is wrong. Values.
#pragma once

#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "base/result.hpp"

namespace envgate::control {

struct WrongField {
  std::string pointer;  // RFC 6901: "/spec/mounts/1/source"
  std::string message;
};

struct Problem {
  int status = 500;
  std::string code;  // "invalid", "not_found", ...
  std::string detail;
  std::vector<WrongField> errors = {};
};

template <typename T>
using Answer = tl::expected<T, Problem>;

inline tl::unexpected<Problem> refuse(int status, std::string code, std::string detail) {
  return tl::unexpected(Problem{status, std::move(code), std::move(detail), {}});
}

// A store's refusal by its code; anything else is a 500, or a 503 where the database cannot be asked.
Problem problem_of(const Error& error);

}  // namespace envgate::control
