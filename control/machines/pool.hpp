// The pool of physical machines between the database and backends/physical: which machine an environment
// holds, and a thread that looks at all of them now and then, since one that does not answer must not be let.
// Thread: functions any; the look has a thread of its own.
#pragma once

#include <map>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>

#include "backends/physical/backend.hpp"
#include "backends/physical/facts.hpp"
#include "backends/physical/host.hpp"
#include "control/settings.hpp"
#include "control/store/machines.hpp"

namespace envgate::control {

// A row as the backend wants it. Errors: a value that no longer fits.
Result<backends::physical::Machine> machine_of_row(const store::PoolMachine& row);

backends::physical::Pool pool_of(store::Database& database);

class MachineWatch {
 public:
  // `committed` runs after each change in the database.
  MachineWatch(store::Database& database, const ControlSettings& settings,
               backends::physical::Settings physical, std::function<void()> committed);
  ~MachineWatch() { stop(); }
  void start();
  void stop();

  // Looks now, and notes what it saw. Errors: there is no such machine.
  Result<std::pair<store::PoolMachine, backends::physical::Facts>> look(const std::string& name,
                                                                        const std::stop_token& stop = {});
  const backends::physical::Settings& physical() const { return physical_; }
  // What each machine said at its last look, by name; those that were not looked at yet are not in it.
  std::map<std::string, backends::physical::Facts> last_facts() const;

 private:
  void watch(const std::stop_token& stop);
  void forget_others(const std::vector<store::PoolMachine>& there);
  store::Database& database_;
  const ControlSettings& settings_;
  const backends::physical::Settings physical_;
  std::function<void()> committed_;
  mutable std::mutex mutex_;
  std::map<std::string, backends::physical::Facts> last_;
  std::jthread thread_;
};

}  // namespace envgate::control
