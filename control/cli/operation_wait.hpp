// What happens after a change was taken on: its operation is followed where --wait asks for that, and the
// answer printed. Thread: main's.
#pragma once

#include "control/cli/control_command.hpp"

namespace envgate::cli {

inline constexpr Option kWait{"--wait", 'w', "[SECONDS]", "wait for the operation's end (600 s if left out)"};

// Zero where the call does not ask to wait. Errors: misuse.
Asked<std::chrono::seconds> wait_of(const Invocation& call);

// Follows it to its end, its progress on standard error. Returns it as it is then.
// Errors: it failed, or `limit` came first (kTimedOut).
Asked<Json> follow_operation(const ControlClient& client, Json operation, std::chrono::seconds limit);

// `accepted` is {"operation": ..., "environment": ...}: waits as the call asks, and prints both.
Asked<void> finish_change(const Invocation& call, const ControlClient& client, Json accepted);

}  // namespace envgate::cli
