// What was run in a recorded session: commands without a terminal, which are certain, and those that were
// probably typed at prompts (record/command_guess). Thread: main's.
#pragma once

#include "control/cli/records_client.hpp"

namespace envgate::cli {

// [{"file","seconds","prompt","command"}], in the order of the files; no prompt: certain. `record`: the
// answer to GET /api/sessions/ID. Reads at most kMostRead bytes of each file.
inline constexpr std::uint64_t kMostRead = 64u << 20;
Asked<Json> typed_commands(const RecordsClient& client, const std::string& id, const Json& record);

}  // namespace envgate::cli
