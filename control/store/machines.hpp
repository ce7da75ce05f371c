// The pool of physical machines. A machine is `available`, or held by one environment, or on its way back, or
// out of the pool; it never becomes available but by `verifying` or an operator's word. Thread: as the
// transaction's.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "control/store/environments.hpp"

namespace envgate::control::store {

enum class MachineState : std::uint8_t {
  available,
  allocated,
  draining,  // given back: the customer's sessions are being ended
  cleaning,
  verifying,
  quarantined,  // something failed: `reason`; only an operator takes it out
  maintenance,  // an operator took it out of the pool
};
std::string_view to_string(MachineState state);

struct PoolMachine {
  std::string name, region, gpu_model;
  long long gpus = 0, cpu = 0, memory_bytes = 0, disk_bytes = 0;
  std::string price;  // a month, as it was written: "12000.00 CNY"
  std::string address;
  long long ssh_port = 22;
  std::string admin_user = "root", admin_key;   // the key: a path on control's machine
  std::string host_keys = "[]", labels = "{}";  // JSON
  MachineState state = MachineState::available;
  std::string reason;
  bool reachable = true;    // at the last check
  std::string environment;  // that holds it; empty: none
  long long version = 1, created = 0, updated = 0, checked = 0;
};

// Errors: kConflict, the name or the address is taken.
Result<void> insert_machine(Transaction& t, const PoolMachine& machine);
void update_machine(Transaction& t, PoolMachine& machine);  // version grows
void remove_machine(Transaction& t, const std::string& name);
std::optional<PoolMachine> find_machine(Transaction& t, const std::string& name);
std::optional<PoolMachine> machine_of(Transaction& t, const std::string& environment);
// By name; `state` empty: all.
std::vector<PoolMachine> list_machines(Transaction& t, const std::string& state);

struct MachineWanted {
  std::string name;  // empty: by what follows, each "at least" or any
  std::string region, gpu_model;
  long long gpus = 0, cpu = 0, memory_bytes = 0, disk_bytes = 0;
};
// The smallest that fits becomes the environment's. Two racers: one transaction is first, the other finds the
// next one or none. Errors: kNoMachine, says why.
Result<PoolMachine> allocate_machine(Transaction& t, const MachineWanted& wanted,
                                     const std::string& environment);

}  // namespace envgate::control::store
