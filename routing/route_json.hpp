// Routes as text: the JSON of `env:<id>:route` (and of the snapshot and the admin API), and the seed's four
// keys. A route is refused whole when anything in it is wrong; the message begins with the JSON path of the
// culprit. Thread: any.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "routing/route.hpp"

namespace envgate::routing {

inline constexpr std::size_t kMaxRouteJson = 64 * 1024;  // bytes; longer values are refused unread

enum class UnknownKeys : bool { allow, refuse };

// A route that is not running may leave out its address (Route::nowhere).
// Unknown keys are allowed by default, so that a newer control plane can feed an older gateway.
// Errors: "http[0].port: 70000 is not a port (1 to 65535)" and the like.
Result<RouteSpec> parse_route_json(const EnvId& env, std::string_view json,
                                   UnknownKeys unknown = UnknownKeys::allow);

// One element of a list of routes, which names its environment itself ("env").
Result<RouteSpec> parse_route_json(std::string_view json, UnknownKeys unknown = UnknownKeys::allow);

struct SeedKeys {  // a key that is not there is nullopt
  std::optional<std::string_view> ip = {}, ssh_port = {}, type = {}, access_info = {};
};

// Only `ip` is needed. `ssh_port` is the public listening port (the target's own is 22); an unknown `type` is
// a container, since the seed says that the gateway does not need it; of `access_info` only `created_at` is
// looked at.
Result<RouteSpec> from_seed_keys(const EnvId& env, const SeedKeys& keys);

enum class Detail : bool { admin, full };  // `full` has the password verifiers, for the snapshot alone

// Appends one JSON object on one line.
void append_json(std::string& out, const Route& route, Detail detail = Detail::admin);
std::string to_json(const Route& route, Detail detail = Detail::admin);

}  // namespace envgate::routing
