// One pass over one environment: reads what is wanted, looks at what is there, makes one the other through
// the backend, and records what came of it. Every step may be repeated after a kill -9 anywhere: what is made
// has a name that follows from the environment's id, and what is recorded follows from what is observed.
//
// A pass holds the environment's claim (a row with a token that expires), so that of several controllers one
// works on it. Thread: any, one pass at a time for one environment; blocks.
#pragma once

#include <functional>
#include <stop_token>
#include <string>

#include "control/lifecycle/engines.hpp"
#include "control/secrets/secret_box.hpp"
#include "control/settings.hpp"
#include "control/store/environments.hpp"

namespace envgate::control {

class StepLog;

class Pass {
 public:
  enum class Outcome : std::uint8_t {
    settled,  // as wanted, or a tombstone
    again,    // something else was asked for meanwhile: at once
    retry,    // it failed: later
    busy,     // another controller has it: later
  };

  // `token`: this controller's, for claims. `committed` runs after each transaction that changed anything.
  Pass(store::Database& database, const secrets::SecretBox& box, const ControlSettings& settings,
       const Engines& engines, std::string token, std::function<void()> committed);

  Outcome run(const std::string& id, std::stop_token stop);

 private:
  struct Work;
  bool begin(Work& work);
  Outcome make_running(Work& work);
  Outcome make_stopped(Work& work);
  Outcome make_deleted(Work& work);
  Outcome record_running(Work& work, const backends::Observed& seen);
  Outcome record_failure(Work& work, const backends::Failure& failure);
  // Runs `f` on the environment as it is now, if the claim is still ours, and writes it.
  // `last`: the claim is given back with it.
  Outcome record(Work& work, const std::function<Outcome(store::Transaction&, store::Environment&)>& f,
                 bool last = true);
  Result<void> make_ready(store::Transaction& t, store::Environment& e, std::string& authority) const;
  std::optional<backends::HostKeys> pin(Work& work, const backends::Observed& seen);
  backends::Wanted wanted_of(const Work& work, bool login) const;
  backends::Call call(Work& work);

  store::Database& database_;
  const secrets::SecretBox& box_;
  const ControlSettings& settings_;
  const Engines& engines_;
  std::string token_;
  std::function<void()> committed_;
};

}  // namespace envgate::control
