// The route file: YAML written by an operator (or the snapshot, which has the same form). All or nothing: one
// mistake and no route of it is used. Form: README.md. Thread: any.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "routing/route.hpp"

namespace envgate::routing {

// `name` begins each error: "routes.yaml:7: http[0].port: 70000 is not a port (1 to 65535)". Unknown keys are
// errors here: what a person wrote and nothing reads is a typing mistake.
Result<std::vector<RouteSpec>> parse_route_file(const std::string& name, std::string_view text);

}  // namespace envgate::routing
