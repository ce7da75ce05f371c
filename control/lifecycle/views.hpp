// Rows as REST shows them (control/api/README.md). Pure.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "control/lifecycle/lifecycle.hpp"
#include "control/store/changes.hpp"
#include "control/store/machines.hpp"

namespace envgate::control {

std::string_view type_of(const store::Environment& environment);  // "physical" or "container"
std::string timestamp_of(long long milliseconds);                 // RFC 3339, UTC, with milliseconds

// "https://<env>-<port>.container.<domain>/", as customers reach it.
std::string port_url(const std::string& id, std::uint16_t port, const ControlSettings& settings);

nlohmann::json environment_view(const store::Environment& environment, const std::string& domain);
nlohmann::json operation_view(const store::Operation& operation);
// Seed 002, section 4.1, without the password: what may stand in Redis.
nlohmann::json connection_view(const store::Environment& environment, const ControlSettings& settings);
nlohmann::json access_view(const Access& access, const ControlSettings& settings);
nlohmann::json machine_view(const store::PoolMachine& machine);
nlohmann::json quota_view(const std::string& owner, const store::Quota& quota, const store::Quota& used);
nlohmann::json event_view(const store::Event& event);

// The conditions of an environment: what is so, and why. A change of `status` moves `since`.
std::string set_condition(const std::string& conditions, const std::string& type, const std::string& status,
                          const std::string& reason, const std::string& message, long long now);

}  // namespace envgate::control
