// Whose session a record is of: what its header says. Values; thread: any.
#pragma once

#include <chrono>
#include <string>

namespace envgate::record {

struct SessionFacts {
  std::string session, environment, user, source, owner, target;
  std::string method = {};  // how the user proved who he is, "publickey"; empty: not said
  std::chrono::system_clock::time_point started_at;
};

inline constexpr int kFormatVersion = 1;

// RFC 3339, UTC, with milliseconds.
std::string timestamp_of(std::chrono::system_clock::time_point time);
// `{"version":1,"session":...}`, for a header.
std::string json_of(const SessionFacts& facts);

}  // namespace envgate::record
