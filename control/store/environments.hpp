// The rows of environments, and what is leased and counted with them. Functions on a transaction; what an
// environment's life may be is control/lifecycle's matter. Thread: as the transaction's.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/units.hpp"
#include "control/store/database.hpp"

namespace envgate::control::store {

enum class Desired : std::uint8_t { running, stopped, deleted };
enum class State : std::uint8_t {
  creating,  // nothing there yet
  starting,
  running,
  stopping,
  stopped,
  failed,  // what is wanted cannot be had; it is still tried
  deleting,
  deleted,  // a tombstone: the id is never given out again
};
std::string_view to_string(Desired desired);
std::string_view to_string(State state);

struct Resources {
  long long cpu_millis = 0;  // 1000: one core
  long long memory_bytes = 0;
  long long gpus = 0;
  long long storage_bytes = 0;
  bool operator==(const Resources&) const = default;
};

struct Environment {
  std::string id, name, owner, backend, node;
  std::string spec, policy;  // JSON, as it was accepted; without secrets
  Desired desired = Desired::running;
  State state = State::creating;
  std::string conditions = "[]";  // JSON
  long long generation = 1;       // of the spec
  long long version = 1;          // of the row, for ETag
  Resources resources;
  bool holds_compute = true;  // counted against the owner's cpu, memory and gpus
  std::uint16_t ssh_port = 0;
  // What was observed last.
  std::string address;           // empty: none
  std::string published = "[]";  // JSON: [{"port", "node_port"}], where they differ
  std::string instance, image_digest;
  // A login is to be set when `login_set` is behind, or when what runs is another instance.
  long long login_version = 1, login_set = 0;
  std::string login_instance;
  long long restarts_wanted = 0, restarts_done = 0;
  // Of an audited environment: by what the gateway knows its customer, and what its target is known by.
  std::string verifier;    // a hash of the customer's password (crypt(3)); empty: not made yet
  std::string onward_key;  // the public line of the key that opens the target; its seed is sealed
  std::string host_keys = "[]", ssh_server;  // JSON: pinned; what the target's server calls itself
  std::string host_keys_instance;            // whose they are: of another one they are asked for anew
  std::string route;                         // JSON as it was published last; empty: none
  long long created = 0, updated = 0, started = 0, deleted = 0;
  bool operator==(const Environment&) const = default;
};

std::optional<Environment> find_environment(Transaction& t, const std::string& id);
void insert_environment(Transaction& t, const Environment& environment);
// The whole row; its version grows, and `updated` is now.
void update_environment(Transaction& t, Environment& environment);

struct EnvironmentFilter {
  std::string owner, backend, node, name, state;  // empty: any
  bool deleted = false;                           // tombstones too
};
enum class Order : std::uint8_t { created, name };
struct PageRequest {
  std::size_t limit = 100;
  bool descending = false;
  std::string after_key, after_id;  // of the last one of the page before; empty: from the start
  static PageRequest all() { return {10'000'000, false, "", ""}; }
};
std::vector<Environment> list_environments(Transaction& t, const EnvironmentFilter& filter, Order order,
                                           const PageRequest& page);
// All that are not deleted, by id: what a controller looks after, and what tells whether it must. Not whole
// rows: there may be ten thousand, every few seconds.
struct Living {
  std::string id, backend, node;
  Desired desired = Desired::running;
  State state = State::creating;
  long long generation = 0;
  std::string address, instance;
  bool open = false;  // an operation, a login, a restart or a pinning that is still to be done
};
// `backend`, `node`: only theirs; empty: any.
std::vector<Living> living_environments(Transaction& t, const std::string& backend = "",
                                        const std::string& node = "");

// ---- what an owner may have ----

struct Quota {
  Resources most;
  long long environments = 0;
};
// Replaces the owner's quota. An owner without one may create nothing.
void set_quota(Transaction& t, const std::string& owner, const Quota& quota);
bool remove_quota(Transaction& t, const std::string& owner);
std::optional<Quota> find_quota(Transaction& t, const std::string& owner);
std::vector<std::pair<std::string, Quota>> list_quotas(Transaction& t);
// What is stopped gives its compute back and keeps its storage.
Quota used_by(Transaction& t, const std::string& owner);
// Whether the owner may have so much more. Errors: kQuotaExceeded, says which.
Result<void> check_quota(Transaction& t, const std::string& owner, const Resources& more,
                         long long more_environments);

// ---- ports ----

struct Lease {
  std::uint16_t port = 0;
  std::string service;  // "ssh", "rdp", ...
  std::uint16_t target_port = 0;
};
struct LeaseRequest {
  std::string service;
  std::uint16_t target_port = 22;
  PortRange range;
  std::chrono::milliseconds quarantine{0};      // how long a released port rests
  std::function<bool(std::uint16_t)> can_bind;  // asked before a port is leased; may be empty
};
// Errors: kPortsExhausted, with the remedy.
Result<std::uint16_t> lease_port(Transaction& t, const std::string& environment, const LeaseRequest& wanted);
void release_ports(Transaction& t, const std::string& environment);
std::vector<Lease> leases_of(Transaction& t, const std::string& environment);
std::set<std::uint16_t> leased_ports(Transaction& t);  // of all environments, those that rest left out

// ---- who works on it ----

// Takes the environment for `lifetime`. False: another controller holds it.
bool claim(Transaction& t, const std::string& environment, const std::string& token,
           std::chrono::milliseconds lifetime);
// True while the claim is still ours.
bool holds_claim(Transaction& t, const std::string& environment, const std::string& token);
void drop_claim(Transaction& t, const std::string& environment, const std::string& token);

}  // namespace envgate::control::store
