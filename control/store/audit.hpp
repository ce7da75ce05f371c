// The audit: append-only lines, each with the hash of itself and the line before, so that a changed, removed
// or inserted line shows. Cutting off the end shows too, by the head's number and hash. Whoever may write the
// whole database can forge all of it: keep a copy of the newest hash elsewhere.
#pragma once

#include <string>

#include "control/store/database.hpp"

namespace envgate::control::store {

struct AuditLine {
  std::string who, action, object, before, after, result;
};

void append_audit(Transaction& t, const AuditLine& line);

// Errors: names the first line that does not fit.
Result<void> verify_audit(Transaction& t);

}  // namespace envgate::control::store
