// Environments and what is written with them: quota, port lease, operation, outbox, audit. `create` is all or
// nothing within its transaction. Thread: as the transaction's.
#pragma once

#include <functional>
#include <string>

#include "base/units.hpp"
#include "control/store/database.hpp"

namespace envgate::control::store {

struct Resources {
  long long cpu_millis = 0;
  long long memory_bytes = 0;
  long long gpus = 0;
  long long storage_bytes = 0;
};

struct Quota {
  Resources most;
  long long environments = 0;
};

// Replaces the owner's quota. An owner without one may create nothing.
void set_quota(Transaction& t, const std::string& owner, const Quota& quota);

struct NewEnvironment {
  std::string id, operation_id, name, owner, backend;
  std::string spec;          // JSON
  std::string route_change;  // JSON, for the outbox
  std::string who;           // for the audit
  Resources resources;
  PortRange ports;
  std::chrono::milliseconds quarantine{0};           // how long a released port rests
  std::function<bool(std::uint16_t)> can_bind_port;  // asked before a port is leased
};

struct Created {
  std::uint16_t port = 0;
  long long outbox_seq = 0;
};

// Errors: kQuotaExceeded (says which), kPortsExhausted, kConflict (the id was used before).
Result<Created> create(Transaction& t, const NewEnvironment& wanted);

}  // namespace envgate::control::store
