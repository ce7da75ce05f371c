// What is refused now, why, and who waits for which port. Each refusal is logged and counted once, however
// often a source repeats it, and a flood of them cannot flood the log. Thread: the routing thread.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "routing/route.hpp"

namespace envgate::routing {

enum class Refusal : std::uint8_t {
  invalid,       // does not parse
  address,       // not in routes.allowed_targets
  port_clash,    // another environment holds the port
  port_range,    // outside ssh.port_range
  port_reserved  // one of the gateway's own
};
inline constexpr std::size_t kRefusals = 5;
std::string_view to_string(Refusal reason);
using RefusalCounts = std::array<std::size_t, kRefusals>;

class RefusalLog {
 public:
  struct Entry {
    Refusal reason = Refusal::invalid;
    std::string message;
    RoutePtr declared;                 // nothing for `invalid`
    std::vector<std::uint16_t> ports;  // those left out; empty: the whole route is refused
    std::uint32_t mark = 0;            // the pass that last saw it
    bool whole() const { return ports.empty(); }
  };
  using Entries = std::unordered_map<EnvId, Entry>;

  RefusalLog();
  // Notes, counts and logs, unless exactly this is noted already.
  void note(const EnvId& env, Entry entry);
  void clear(const EnvId& env);
  Entry* find(const EnvId& env);
  const Entry* find(const EnvId& env) const { return const_cast<RefusalLog*>(this)->find(env); }
  const Entries& entries() const { return entries_; }
  // Those who wait for `port`, the oldest claim first.
  std::vector<EnvId> waiting_for(std::uint16_t port) const;

  const RefusalCounts& counts() const { return counts_; }
  std::size_t size_without_route() const { return whole_; }
  // A refusal that concerns no route as such (an older generation): counted and logged, not kept.
  void mention(const EnvId& env, std::string_view event, std::string_view reason, const std::string& message);

 private:
  void forget(Entries::iterator entry);
  bool may_log();

  Entries entries_;
  std::unordered_map<std::uint16_t, std::vector<EnvId>> waiting_;
  RefusalCounts counts_{};
  std::size_t whole_ = 0;
  std::chrono::steady_clock::time_point window_{};
  std::size_t lines_ = 0, suppressed_ = 0;
};

}  // namespace envgate::routing
