// The steps of the operations that one pass works for: "pull", "create", "start", with times, written to the
// database while the pass goes on, at most once a second, so that whoever waits sees it move. Thread: the
// pass's.
#pragma once

#include <chrono>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "backends/backend.hpp"
#include "control/store/operations.hpp"

namespace envgate::control {

class StepLog {
 public:
  explicit StepLog(std::string environment) : environment_(std::move(environment)) {}

  // Takes the environment's open operations as its own, as running. Within a transaction.
  void begin(store::Transaction& t);
  // A backend's report. True where it is time to save().
  bool report(const backends::Progress& progress);
  void save(store::Transaction& t);
  // Ends them. Those that came meanwhile stay open.
  void succeed(store::Transaction& t);
  void fail(store::Transaction& t, const std::string& code, const std::string& message);
  // Not ended: what is the matter now, while it is tried again.
  void hold_up(store::Transaction& t, const std::string& code, const std::string& message);

  bool empty() const { return operations_.empty(); }
  long long oldest() const;  // when the first of them was asked for, in milliseconds; 0: none
  const std::string& step() const { return step_; }

 private:
  void close_step(const char* state, const std::string& message);
  void write(store::Transaction& t, store::OperationState state, const std::string& error);
  std::string environment_;
  std::vector<std::string> operations_;
  long long oldest_ = 0;
  nlohmann::json steps_ = nlohmann::json::array();
  std::string step_;
  nlohmann::json progress_ = nlohmann::json::object();
  std::chrono::steady_clock::time_point saved_{};
};

}  // namespace envgate::control
