// The sessions of all workers, copied out a few at a time: a hundred thousand of them must not hold up a turn
// of the data plane. Thread: the admin thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <vector>

#include "gateway/acceptor.hpp"
#include "gateway/session.hpp"

namespace envgate::admin {

struct SessionFacts {
  std::uint64_t id = 0;
  gateway::Protocol protocol = gateway::Protocol::ssh;
  bool busy = true;
  Endpoint client;
  routing::RoutePtr route;
  std::optional<Endpoint> target;  // where it is one socket, and not one per request
  std::uint64_t to_target = 0, to_client = 0, requests = 0;
  std::chrono::steady_clock::time_point started;
};

struct SessionFilter {
  std::optional<routing::EnvId> env;
  std::optional<gateway::Protocol> protocol;
};

// In no order. A session that begins or ends meanwhile may be missed.
std::vector<SessionFacts> collect_sessions(const gateway::Workers& workers, const SessionFilter& filter);

enum class Kill : std::uint8_t { done, unknown, unanswered };
Kill kill_session(const gateway::Workers& workers, std::uint64_t id);

}  // namespace envgate::admin
