// The route of an environment, as gateways read it (routing/route_json.hpp). Pure.
#pragma once

#include <string>
#include <vector>

#include "control/store/environments.hpp"

namespace envgate::control {

// Empty: it has no route, since nothing of it may be reached yet or any more. A stopped one has a route that
// says so, so that the gateway can answer well.
std::string route_body(const store::Environment& environment, const std::vector<store::Lease>& leases,
                       const std::vector<std::string>& host_keys, long long generation);

// Whether two bodies differ in more than their generation.
bool same_route(const std::string& one, const std::string& other);

}  // namespace envgate::control
