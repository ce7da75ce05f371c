// Which records of a folder are to go, and their going: by age and by the room that all take together. A
// record and its chain are one. Nothing that is open goes, nor anything that is no record. Thread: any; one
// process at a time need not be ensured, a file that is gone already is no error.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"

namespace envgate::record {

struct StoredRecord {
  std::string name;         // "x.cast"
  std::uint64_t bytes = 0;  // of both files
  std::chrono::system_clock::time_point changed_at;
  bool open = false;

  bool operator==(const StoredRecord&) const = default;
};

struct RetentionPolicy {
  std::optional<std::chrono::seconds> most_age;
  std::optional<std::uint64_t> most_bytes;  // of all, open ones with them
};

// Regular files NAME.cast and NAME.jsonl, and chains that have lost theirs; by name. Errors: the folder.
Result<std::vector<StoredRecord>> stored_records(const std::string& directory);
// Oldest first.
std::vector<StoredRecord> to_remove(std::vector<StoredRecord> records, const RetentionPolicy& policy,
                                    std::chrono::system_clock::time_point now);
// Both files of each, the record first. What has been opened since stays.
// Errors: the first; the others are tried all the same.
Result<void> remove_records(const std::string& directory, const std::vector<StoredRecord>& records);

}  // namespace envgate::record
