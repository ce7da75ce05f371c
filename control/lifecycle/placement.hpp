// Which node a new environment is put on. Thread: any; blocks for the database alone.
#pragma once

#include <string>
#include <vector>

#include "control/lifecycle/engines.hpp"
#include "control/store/environments.hpp"

namespace envgate::control {

// Of `candidates` the one that takes new environments, answers, has room, and is least used after it (the
// fullest of its cores, memory and GPUs counts), in this order: one that fits nowhere waits where it is least
// tight, and its condition says what is missing. Errors: kNoNode, none of them takes new ones.
Result<std::string> choose_node(store::Transaction& t, const std::vector<EnginePtr>& candidates,
                                const store::Resources& wanted);

}  // namespace envgate::control
