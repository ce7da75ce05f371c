// `envctl gateway ...`: each asks the gateway's admin socket once (a listing,
// page by page) and prints the answer. Thread: main's.
#pragma once

#include "control/cli/arguments.hpp"

namespace envgate::cli {

std::span<const Command> gateway_commands();

// What the option says, else $ENVGATE_ADMIN_SOCKET, else where it is if nobody said otherwise.
std::string gateway_socket(const Invocation& call, std::string_view option = "--socket");
int run_gateway_settings(const Invocation& call);  // `gateway settings`

}  // namespace envgate::cli
