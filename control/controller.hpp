// envgate-control, put together: the database, the secrets, the engines, the reconciler and the API, started
// in the order in which they need each other and stopped in the opposite one. Thread: main's.
#pragma once

#include <memory>

#include "control/settings.hpp"

namespace envgate::control {

class Controller {
 public:
  explicit Controller(settings::SnapshotPtr<ControlSettings> settings);
  ~Controller();

  // Errors: what is in the way, with its remedy. What was started is stopped again.
  Result<void> start();
  void stop();

 private:
  struct Inside;
  settings::SnapshotPtr<ControlSettings> settings_;
  std::unique_ptr<Inside> inside_;
};

}  // namespace envgate::control
