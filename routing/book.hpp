// The rules by which a source's statements become routes: whose address is allowed, who holds a listening
// port, which generation is newer. The only writer of the table. What it refuses it remembers, so that a
// refusal is logged once and taken back when its reason goes away. Thread: the routing thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "routing/allowed.hpp"
#include "routing/refusal.hpp"
#include "routing/router.hpp"
#include "routing/table.hpp"

namespace envgate::routing {

struct RoutePolicy {
  AllowedTargets allowed;
  std::optional<PortRange> listen_ports;
  std::vector<std::uint16_t> reserved_ports;
};

class RouteBook {
 public:
  enum class Outcome : std::uint8_t { unchanged, changed, refused };

  RouteBook(RouteTable& table, RoutePolicy policy);

  // The source says: this is the environment's route.
  Outcome put(RouteSpec spec);
  // The source says something about the environment that is not a usable route. What was served before goes
  // too: the old target is no longer the source's word, and may be another tenant's by now.
  void refuse(const EnvId& env, Refusal reason, const std::string& message);
  // The source says: there is no such environment.
  void remove(const EnvId& env);

  // A pass is one complete reading of the source. What a pass has not seen is not removed here: the source
  // decides.
  void begin_pass();
  // A pass after the source was away or was emptied: older generations are believed again, since it may have
  // been restored from an earlier state.
  void begin_epoch();
  // Until settle(), who is first at a port is told by `created`, and failing that by id, not by the order of
  // arrival: so every gateway that starts comes to the same answer.
  void settle() { settled_ = true; }
  bool seen(const EnvId& env) const;
  std::size_t seen_count() const { return seen_count_; }
  std::vector<EnvId> unseen() const;

  // Judges every route anew.
  void set_policy(RoutePolicy policy);

  // Gives freed ports to those who wait for them and hands over what has changed since the last call.
  std::vector<RouteChange> take_changes();

  // Every route as its source declared it, holders of contested ports before those who wait: a table loaded
  // in this order settles every port as it is settled now.
  std::vector<RoutePtr> declared_routes() const;
  const RefusalCounts& refused() const { return refusals_.counts(); }

 private:
  bool older_generation(const RouteSpec& spec, const Route* current);
  std::vector<std::uint16_t> contested_ports(const Route& declared, std::string& why, Refusal& reason);
  std::optional<std::string> port_problem(const Route& claimant, std::uint16_t port, Refusal& reason);
  bool yields(const Route& holder, const Route& claimant) const;
  Outcome place(const RoutePtr& declared);
  void show(const Route* before, const RoutePtr& after);
  void free_ports(const Route* before, const Route* after);
  void mark(const Route& route);
  void judge_again(const EnvId& env);

  RouteTable& table_;
  RoutePolicy policy_;
  ServicesPool pool_;
  RefusalLog refusals_;
  std::vector<RouteChange> changes_;
  std::vector<std::uint16_t> freed_;
  std::vector<EnvId> displaced_;  // lost a port to an older claimant while not settled
  std::uint32_t pass_ = 1;
  std::uint32_t epoch_pass_ = 1;  // the first pass of this epoch
  std::size_t seen_count_ = 0;
  std::size_t placed_since_sweep_ = 0;
  bool settled_ = false;
};

}  // namespace envgate::routing
