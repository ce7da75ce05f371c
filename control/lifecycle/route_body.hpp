// The route of an environment, as gateways read it (routing/route_json.hpp). Pure.
#pragma once

#include <string>
#include <vector>

#include "control/lifecycle/spec.hpp"
#include "control/store/environments.hpp"

namespace envgate::control {

// What a route says beside the environment's own row.
struct RouteParts {
  std::vector<store::Lease> leases;
  std::vector<std::string> host_keys;
  std::vector<std::string> authorized_keys;  // the spec's, the owner's, and of those whom it is shared with
  // Of an audited one alone:
  bool totp = false;
  SshPolicy ssh;  // its own and its owner's
};

// Empty: it has no route, since nothing of it may be reached yet or any more. A stopped one has a route that
// says so, so that the gateway can answer well.
std::string route_body(const store::Environment& environment, const RouteParts& parts, long long generation);

// As many as a gateway takes, each key once, in their order.
std::vector<std::string> bounded_keys(const std::vector<std::string>& keys);

// For whoever may see routes and is no gateway: the hashes of passwords are left out.
std::string without_verifiers(const std::string& route);

// Whether two bodies differ in more than their generation.
bool same_route(const std::string& one, const std::string& other);

}  // namespace envgate::control
