// The audit: append-only lines, each with the hash of itself and the line before, so that a changed, removed
// or inserted line shows. Cutting off the end shows too, by the head's number and hash. Whoever may write the
// whole database can forge all of it: keep a copy of the newest hash elsewhere.
#pragma once

#include <string>
#include <vector>

#include "control/store/database.hpp"

namespace envgate::control::store {

struct AuditLine {
  std::string who, action, object, before, after, result;
};

void append_audit(Transaction& t, const AuditLine& line);

struct AuditEntry {
  long long seq = 0, at = 0;
  AuditLine line;
  std::string hash;
};
struct AuditFilter {
  std::string who, action, object;  // empty: any
};
// From the number `after` on, 0 from the start (or, descending, from the newest).
std::vector<AuditEntry> list_audit(Transaction& t, const AuditFilter& filter, long long after,
                                   bool descending, std::size_t limit);

struct AuditHead {
  long long seq = 0;
  std::string hash;
};
AuditHead audit_head(Transaction& t);

// Errors: names the first line that does not fit.
Result<void> verify_audit(Transaction& t);

}  // namespace envgate::control::store
