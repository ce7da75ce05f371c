// Removes what audit.records.max_age and max_bytes say is to go: records by record/retention, oldest first,
// and with a session's last record its entry in the index, which counts as a file like them. Nothing of a
// session that is open goes. Thread: the recorder's; blocks as the disk does.
#pragma once

#include <functional>

#include "base/result.hpp"
#include "record/retention.hpp"

namespace envgate::ssh::recorder {

using IsOpen = std::function<bool(const std::string& id)>;

// Returns how many records and entries were removed. Errors: the first; the others are tried all the same.
Result<std::size_t> prune(const std::string& directory, const record::RetentionPolicy& policy,
                          const IsOpen& is_open, std::chrono::system_clock::time_point now);

}  // namespace envgate::ssh::recorder
