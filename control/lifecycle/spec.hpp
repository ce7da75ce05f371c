// What a customer asks for, checked and made plain: from a request's JSON to what a backend is told, and back
// to the JSON that is kept and shown, which has no secret. Values.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "backends/backend.hpp"
#include "control/problem.hpp"
#include "control/store/environments.hpp"
#include "routing/route.hpp"

namespace envgate::control {

class Fields;

struct PortSpec {
  enum class Access : std::uint8_t { open, restricted, tcp };  // "public", "private", "tcp"
  std::uint16_t port = 0;
  Access access = Access::open;
  routing::Scheme scheme = routing::Scheme::http;
  std::string service;  // of a tcp port: "rdp", "vnc", ...
};

// Of the pool's machines: each is "at least", or any where it is empty.
struct Selector {
  std::string region, gpu_model;
  unsigned long long gpus = 0, cpu = 0, memory = 0, disk = 0;
};

struct Spec {
  backends::Wanted wanted;  // without identity, power and login
  unsigned long long storage = 0;
  std::vector<PortSpec> ports;
  routing::SshMode ssh_mode = routing::SshMode::passthrough;
  std::string ssh_user = "root";
  std::vector<std::string> ssh_keys;
  std::string node;     // docker; empty: chosen
  std::string machine;  // physical: a name, or a selector
  std::optional<Selector> selector;
};

// What the gateway holds an audited session to.
struct SshPolicy {
  std::uint16_t forbid = 0;   // bits of routing::SshForbid
  bool record_input = false;  // what is typed, too
  std::string force_command;  // in place of whatever is asked for; empty: none
  // Both apply: what either forbids is forbidden. `owners` is the owner's, whose command goes before.
  SshPolicy with(const SshPolicy& owners) const;
};

struct Policy {
  backends::Volumes volumes = backends::Volumes::remove;  // what a deletion does with named volumes
  std::vector<std::string> allow_from;                    // networks; empty: from anywhere
  bool on_demand = false;                                 // stopped, it starts when somebody comes
  std::vector<std::string> shared_with;                   // owners whose keys open it, too
  SshPolicy ssh;
};

// The fields below `/spec` and `/policy`. What is wrong goes into `fields`.
Spec parse_spec(Fields& fields, const nlohmann::json& spec, const std::string& backend);
Policy parse_policy(Fields& fields, const nlohmann::json& policy);
// Of an environment, or of an owner: `pointer` is where it stands.
SshPolicy parse_ssh_policy(Fields& fields, const nlohmann::json* policy, const std::string& pointer);

nlohmann::json spec_json(const Spec& spec, const std::string& backend);
nlohmann::json policy_json(const Policy& policy);
nlohmann::json ssh_policy_json(const SshPolicy& policy);

// From the stored texts, which these functions wrote.
Spec stored_spec(const store::Environment& environment);
Policy stored_policy(const store::Environment& environment);
SshPolicy stored_owner_policy(const std::string& text);  // of a store::Owner

store::Resources resources_of(const Spec& spec);

// A backend's path, "mounts[1].source" or "cpu_millis", as the pointer to what the customer wrote.
std::string pointer_of(const std::string& backend_path);

bool valid_name(std::string_view text);  // 1 to 64 printable bytes, of which no blank at an end

}  // namespace envgate::control
