#include "control/reconcile/step_log.hpp"

#include "control/lifecycle/fields.hpp"
#include "control/lifecycle/views.hpp"
#include "control/store/now.hpp"

namespace envgate::control {

using nlohmann::json;
using store::Operation;
using store::OperationState;

namespace {
constexpr std::chrono::seconds kBetweenSaves{1};
constexpr std::size_t kMostSteps = 64;
}  // namespace

void StepLog::begin(store::Transaction& t) {
  for (Operation& operation : store::open_operations(t, environment_)) {
    operations_.push_back(operation.id);
    if (oldest_ == 0) oldest_ = operation.created;
    if (operation.state == OperationState::running) continue;
    operation.state = OperationState::running;
    store::update_operation(t, operation);
  }
  saved_ = std::chrono::steady_clock::now();
}

long long StepLog::oldest() const { return oldest_; }

void StepLog::close_step(const char* state, const std::string& message) {
  if (step_.empty() || steps_.empty()) return;
  json& last = steps_.back();
  last["state"] = state;
  last["finished_at"] = timestamp_of(store::now_ms());
  if (!message.empty()) last["message"] = message;
}

bool StepLog::report(const backends::Progress& progress) {
  if (progress.step != step_ && steps_.size() < kMostSteps) {
    close_step("done", "");
    step_ = progress.step;
    steps_.push_back({{"name", step_},
                      {"state", "running"},
                      {"started_at", timestamp_of(store::now_ms())},
                      {"finished_at", nullptr},
                      {"message", ""}});
  }
  progress_ = {{"step", progress.step},
               {"detail", progress.detail},
               {"done", progress.done},
               {"total", progress.total}};
  return !operations_.empty() && std::chrono::steady_clock::now() - saved_ >= kBetweenSaves;
}

void StepLog::write(store::Transaction& t, OperationState state, const std::string& error) {
  for (const std::string& id : operations_) {
    auto operation = store::find_operation(t, id);
    if (!operation || operation->ended()) continue;  // superseded meanwhile
    operation->state = state;
    operation->progress = write_json(progress_);
    operation->steps = write_json(steps_);
    operation->error = error;
    store::update_operation(t, *operation);
  }
  saved_ = std::chrono::steady_clock::now();
}

void StepLog::save(store::Transaction& t) { write(t, OperationState::running, ""); }

void StepLog::succeed(store::Transaction& t) {
  close_step("done", "");
  write(t, OperationState::done, "");
}

void StepLog::fail(store::Transaction& t, const std::string& code, const std::string& message) {
  close_step("failed", message);
  write(t, OperationState::failed, write_json({{"code", code}, {"message", message}}));
}

void StepLog::hold_up(store::Transaction& t, const std::string& code, const std::string& message) {
  close_step("failed", message);
  step_.clear();
  write(t, OperationState::running, write_json({{"code", code}, {"message", message}}));
}

}  // namespace envgate::control
