#include "control/problem.hpp"

#include "control/store/database.hpp"

namespace envgate::control {

Problem problem_of(const Error& error) {
  switch (error.code) {
    case store::kQuotaExceeded: return {409, "quota_exceeded", error.message, {}};
    case store::kPortsExhausted: return {409, "ports_exhausted", error.message, {}};
    case store::kNoMachine: return {409, "no_machine", error.message, {}};
    case store::kNoNode: return {409, "no_node", error.message, {}};
    case store::kConflict: return {409, "conflict", error.message, {}};
    case store::kNotFound: return {404, "not_found", error.message, {}};
    case store::kPrecondition: return {412, "precondition_failed", error.message, {}};
    case store::kInvalid: return {422, "invalid", error.message, {}};
    default: return {503, "unavailable", error.message, {}};
  }
}

}  // namespace envgate::control
