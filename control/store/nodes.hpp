// Remote Docker nodes, and how much is placed on every node. Thread: as the transaction's.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "control/store/environments.hpp"

namespace envgate::control::store {

struct Node {
  std::string name;
  std::string host;                          // "host:port" of the engine's TLS
  std::string address;                       // where its published ports are reached
  std::string ca, certificate, private_key;  // paths on control's machine
  std::string gpus = "[]";                   // JSON: [{"id", "model"}]
  std::string engine_id;                     // the engine's own; tells one engine under two names
  bool open = true;                          // false: nothing new is placed on it
  long long created = 0;
};

// Errors: kConflict, the name or the engine is there already.
Result<void> insert_node(Transaction& t, const Node& node);
void open_node(Transaction& t, const std::string& name, bool open);
void remove_node(Transaction& t, const std::string& name);
std::optional<Node> find_node(Transaction& t, const std::string& name);
std::vector<Node> list_nodes(Transaction& t);  // by name

// What the environments of a backend reserve on each of its nodes, tombstones and storage left out.
struct Placed {
  long long cpu_millis = 0, memory_bytes = 0, gpus = 0;  // of those that hold compute
  long long environments = 0;                            // of all
};
std::map<std::string, Placed> placed_by_node(Transaction& t, const std::string& backend);

}  // namespace envgate::control::store
