// Operations: what was asked for, how far it is, and how it ended. Thread: as the transaction's.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "control/store/environments.hpp"

namespace envgate::control::store {

enum class OperationState : std::uint8_t { pending, running, done, failed };
std::string_view to_string(OperationState state);

struct Operation {
  std::string id, environment, kind;  // "create", "start", ...
  OperationState state = OperationState::pending;
  std::string progress = "{}";  // JSON: {"step", "detail", "done", "total"}
  std::string steps = "[]";     // JSON: [{"name", "state", "started_at", "finished_at", "message"}]
  std::string error;            // JSON: {"code", "message"}; empty: none
  std::string who;
  long long created = 0, updated = 0;
  bool ended() const { return state == OperationState::done || state == OperationState::failed; }
};

void insert_operation(Transaction& t, const Operation& operation);
void update_operation(Transaction& t, Operation& operation);  // `updated` is now
std::optional<Operation> find_operation(Transaction& t, const std::string& id);
// Those that have not ended, oldest first.
std::vector<Operation> open_operations(Transaction& t, const std::string& environment);

struct OperationFilter {
  std::string environment, state;  // empty: any
};
std::vector<Operation> list_operations(Transaction& t, const OperationFilter& filter,
                                       const PageRequest& page);
// Forgets ended ones that are older. Returns how many.
long long forget_operations(Transaction& t, long long older_than_ms);

}  // namespace envgate::control::store
