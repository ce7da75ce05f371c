// Machines as operators write them: a JSON object, a CSV file with a head line, a YAML list. Pure.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string_view>

#include "control/problem.hpp"
#include "control/store/machines.hpp"

namespace envgate::control {

class Fields;

// One machine; what is wrong goes into `fields`, by pointers below `at`.
store::PoolMachine parse_machine(Fields& fields, const nlohmann::json& tree, const std::string& at);

// RFC 4180: fields in quotes may hold commas, quotes (doubled) and line ends; "ssh_host_key" may stand
// several times, and labels are "labels.rack". Errors: the line.
Result<nlohmann::json> read_csv(std::string_view text);
// A list of maps, or a map with `machines`. Errors: the line.
Result<nlohmann::json> read_yaml(const std::string& text);

}  // namespace envgate::control
