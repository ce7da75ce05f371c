// What the operations of the API work with. Thread: any; everything in it may be used on any.
#pragma once

#include <functional>
#include <string>

#include "base/settings.hpp"
#include "control/api/message.hpp"
#include "control/lifecycle/lifecycle.hpp"
#include "control/machines/pool.hpp"
#include "control/nodes/nodes.hpp"
#include "control/publish/redis_publisher.hpp"
#include "control/reconcile/reconciler.hpp"
#include "routing/tickets.hpp"

namespace envgate::control::api {

struct Context {
  store::Database& database;
  const secrets::SecretBox& box;
  const ControlSettings& settings;                                   // that control runs with
  std::function<settings::SnapshotPtr<ControlSettings>()> snapshot;  // with what a reload changed
  Lifecycle& lifecycle;
  Reconciler& reconciler;
  Engines& engines;
  Nodes& nodes;
  MachineWatch& machines;
  const RedisPublisher* redis;                // null: none is configured
  std::optional<routing::TicketKey> tickets;  // nothing: private ports stay closed
  std::string install;
  std::function<void()> committed;  // after a transaction of one's own
  std::chrono::steady_clock::time_point started;
  const ControlSettings::Control& control() const { return settings.control; }
};

// Who calls by the token of a TLS request. Errors: 401.
Answer<Caller> caller_by_token(Context& context, const Request& request);

// What a request at another door than the control socket's needs before its body is read.
std::optional<Response> admit(Context& context, Request& head);

// Answers by the table of operations: 403, 404, 405 where that is the answer. Never throws.
Response dispatch(Context& context, Request& request);

// One operation: what it is reached by, who may, and what OpenAPI says of it.
struct Operation {
  std::string_view method, path;  // "/api/environments/{id}"
  Role role;
  Response (*handle)(Context& context, const Request& request);
  std::string_view summary;
};

// The tables, each in its own file.
std::vector<Operation> environment_operations();
std::vector<Operation> change_operations();  // operations, events, routes
std::vector<Operation> quota_operations();
std::vector<Operation> owner_operations();
std::vector<Operation> gateway_operations();  // what audited sessions need, and waking
std::vector<Operation> machine_operations();
std::vector<Operation> node_operations();
std::vector<Operation> token_operations();
std::vector<Operation> doctor_operations();
std::vector<Operation> metrics_operations();
std::vector<Operation> general_operations();  // status, settings, audit, health, OpenAPI
const std::vector<Operation>& all_operations();

}  // namespace envgate::control::api
