// envgate-control, put together: the database, the secrets, the engines, the reconciler and the API, started
// in the order in which they need each other and stopped in the opposite one. Thread: main's.
#pragma once

#include <memory>
#include <mutex>

#include "control/settings.hpp"

namespace envgate::control {

class Controller {
 public:
  explicit Controller(settings::SnapshotPtr<ControlSettings> settings);
  ~Controller();

  // Errors: what is in the way, with its remedy. What was started is stopped again.
  Result<void> start();
  void stop();
  // What may change while it runs, and which keys need a restart; told in the log. Errors too, and then all
  // stays as it was.
  void reload(const settings::Sources& sources);

 private:
  struct Inside;
  settings::SnapshotPtr<ControlSettings> snapshot() const;
  const settings::SnapshotPtr<ControlSettings> settings_;  // that everything was started with
  mutable std::mutex mutex_;
  settings::SnapshotPtr<ControlSettings> reloaded_;
  std::unique_ptr<Inside> inside_;
};

}  // namespace envgate::control
