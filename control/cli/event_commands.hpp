// `envctl events` and `envctl env events`: what happens, as it happens. Thread: main's.
#pragma once

#include "control/cli/control_command.hpp"

namespace envgate::cli {

inline constexpr Option kSince{"--since", 0, "ID", "only what came after the event of this number"};
inline constexpr Option kEventOptions[] = {kSince, kOutput, kControlSocket, kTimeout};

Asked<void> run_env_events(const Invocation& call, const ControlClient& client);
std::span<const Command> event_commands();

}  // namespace envgate::cli
