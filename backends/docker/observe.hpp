// From the engine's answers to what the contract says was observed, and whether a thing is ours. Pure; every
// field is a stranger's.
#pragma once

#include <optional>

#include "backends/docker/gpus.hpp"
#include "backends/docker/json.hpp"
#include "backends/docker/settings.hpp"
#include "backends/spec.hpp"

namespace envgate::backends::docker {

// The environment whose labels these are, or nothing: not ours.
std::optional<EnvId> environment_of(const Settings& settings, const json& labels);

// From GET /containers/NAME/json.
Observed observed_of(const Settings& settings, const EnvId& environment, const json& inspected);

// From one element of GET /containers/json: without `started_at`; published ports as far as they run.
std::optional<Observed> listed_of(const Settings& settings, const json& element);
std::optional<GpuUse> gpu_use_of(const json& labels);

// Of GET /images/NAME/json: the digest it was pulled by, or the id of one that never was.
std::string image_digest_of(const json& image, const std::string& repository);

// RFC 3339 with any fraction, in UTC as the engine writes it; nothing for the engine's zero time.
std::optional<std::chrono::sys_seconds> parse_engine_time(const std::string& text);

}  // namespace envgate::backends::docker
