// What is done on one physical machine, over SSH: checked, let to a customer, stopped, taken back. README.md
// says what a machine gets and what is not protected.
//
// Every operation is idempotent and may be repeated after any failure, a kill -9 of us between two steps
// included. Two operations on one machine are not made at once: the machine's own lock refuses the second.
//
// Thread: any; calls block. Nothing of a machine is kept here.
// Errors, of all: unreachable (also: broke off in between), denied (another host key, or it does not take the
// admin key), timeout (also: an earlier operation is still at work there), cancelled, conflict (its marker
// names another environment or a newer generation; it was not touched), failed (with what the machine said).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "backends/backend.hpp"
#include "backends/physical/facts.hpp"
#include "backends/physical/machine.hpp"
#include "backends/physical/marker.hpp"
#include "backends/physical/settings.hpp"

namespace envgate::backends::physical {

// The host keys that a machine shows to anybody, as OpenSSH lines without a comment. Whoever answers at the
// address chooses them: to pin them unseen is trust on first use, and the caller's decision.
Outcome<std::vector<std::string>> scan_host_keys(const Settings& settings, const IpAddress& address,
                                                 std::uint16_t port, const Call& call);

// The same, and what the server calls itself.
Outcome<HostKeys> scan_server(const Settings& settings, const IpAddress& address, std::uint16_t port,
                              const Call& call);

class Host {
 public:
  // Requires: check(settings) was good, and both outlive this.
  Host(const Settings& settings, const Machine& machine) : settings_(settings), machine_(machine) {}

  // A machine that does not answer, or not in time, is a value here, with `reachable` false.
  Outcome<Facts> check(const Call& call) const;

  // Nothing: it is let to nobody. Errors: conflict, if the marker there is not one of ours.
  Outcome<std::optional<Marker>> look(const Call& call) const;

  // Marks the machine as this environment's, gives back what a stop has put aside, and sets the credential,
  // if there is one. `generation` and `owner` are the marker's. A machine has no power of its own here: it is
  // never switched on or off.
  Outcome<Marker> grant(const EnvId& environment, std::uint64_t generation, const std::string& owner,
                        const std::optional<Login>& login, const Call& call) const;

  // Puts passwords and keys of the customer's accounts aside, locks these, ends their processes: TERM, and
  // KILL after `grace`. Also where the marker is gone, so that nobody keeps his machine by removing it;
  // nothing is returned then.
  Outcome<std::optional<Marker>> stop(const EnvId& environment, std::chrono::seconds grace,
                                      const Call& call) const;

  // The same with a marker: as `grant`, but locked.
  Outcome<Marker> hold(const EnvId& environment, std::uint64_t generation, const std::string& owner,
                       std::chrono::seconds grace, const Call& call) const;

  // Takes the machine back. Tells its steps: "draining", "cleaning", "verifying". Success means that all
  // three were done now, whatever was done before: processes ended, credentials replaced, the clean script
  // ended with status 0, and all of that read back. After any failure the machine is not clean.
  Outcome<void> reclaim(const EnvId& environment, const Call& call) const;

 private:
  // What the program said between its two marks. `doing`: "take back". `secret` is kept out of messages.
  Outcome<std::string> ask(const std::string& program, Secret input, const std::string& doing,
                           const Call& call, std::chrono::seconds most = std::chrono::seconds(60),
                           const std::string& secret = {}) const;
  Outcome<std::string> admin_public_key(const Call& call) const;
  Outcome<std::string> accounts(const Call& call) const;  // as the programs read them
  // As it must be written next; "running" only where it says all of that already. Errors: conflict.
  Outcome<Marker> marker_for(const EnvId& environment, std::uint64_t generation, const std::string& owner,
                             const Call& call) const;
  Outcome<std::optional<Marker>> lock(const EnvId& environment, std::optional<Marker> marker,
                                      std::chrono::seconds grace, const Call& call) const;
  // What is no marker of ours counts as none: a customer cannot keep his machine by writing one.
  Outcome<std::optional<Marker>> look_for(const EnvId& environment, const Call& call) const;
  bool ours(const Marker& marker, const EnvId& environment) const;
  tl::unexpected<Failure> others(const Marker& marker, const EnvId& environment) const;
  Outcome<void> clean(const EnvId& environment, const Call& call) const;
  Outcome<void> verify(const std::string& accounts, const Call& call) const;

  const Settings& settings_;
  const Machine& machine_;
};

// What the verifying program said: the first thing that is not as it must be. `admin_key`: the one key that
// may be there.
Result<void> check_verified(std::string_view said, const std::vector<std::string>& users,
                            const std::string& admin_key);

// Public keys of ssh-keyscan's lines, each once, at most 16.
std::vector<std::string> parse_scan(std::string_view text);
// "OpenSSH_9.2p1" of its comment "# 192.0.2.7:22 SSH-2.0-OpenSSH_9.2p1 Debian-2": a stranger's word, bounded.
std::string parse_scanned_server(std::string_view text);

}  // namespace envgate::backends::physical
