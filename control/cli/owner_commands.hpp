// envctl owner: an owner's public keys, one-time codes, and the policy over all his environments.
#pragma once

#include <span>

#include "control/cli/arguments.hpp"

namespace envgate::cli {

std::span<const Command> owner_commands();

}  // namespace envgate::cli
