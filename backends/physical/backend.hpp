// The contract kept with physical machines, each let as it is to one environment. Which one, is the pool's to
// say: it is asked by each call, and nothing of a machine is kept here.
//
// What differs from the other backends, since a machine is neither made nor removed: `ensure` lets a machine
// that the pool has allocated, and makes none; "stopped" means locked, and never switched off; `destroy` is
// the reclaim (host.hpp), and keeps no disks whatever `Volumes` says: the clean script is their end.
//
// Thread: any; calls block. The functions of the pool are called on the calling thread.
#pragma once

#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "backends/backend.hpp"
#include "backends/physical/host.hpp"

namespace envgate::backends::physical {

struct Pool {
  // The machine that this environment holds, also while it is taken back; nothing: none.
  std::function<std::optional<Machine>(const EnvId&)> held_by;
  std::function<std::vector<std::pair<EnvId, Machine>>()> all_held;
};

class PhysicalBackend final : public Backend {
 public:
  // Requires: check(settings) was good.
  PhysicalBackend(Settings settings, Pool pool) : settings_(std::move(settings)), pool_(std::move(pool)) {}

  std::vector<FieldError> validate(const Wanted& wanted) const override;
  // Errors: missing, where the environment holds no machine.
  Outcome<Observed> ensure(const Wanted& wanted, const Call& call) override;
  Outcome<Observed> stop(const EnvId& environment, std::chrono::seconds grace, const Call& call) override;
  // An environment that holds no machine is absent: success. Every failure means that the machine is not
  // clean.
  Outcome<void> destroy(const EnvId& environment, Volumes volumes, const Call& call) override;
  // Absent: it holds no machine, or its machine has no marker. `instance` is the marker's.
  Outcome<Observed> observe(const EnvId& environment, const Call& call) override;
  // Asks all held machines, `Settings::parallel` at a time. Those that do not answer, or whose marker is not
  // theirs, are left out: what it does not name may still run, and `observe` says why.
  Outcome<std::vector<Observed>> list(const Call& call) override;

 private:
  Observed observed(const Machine& machine, const Marker& marker) const;
  Outcome<Observed> observe(const EnvId& environment, const Machine& machine, const Call& call) const;

  const Settings settings_;
  const Pool pool_;
};

}  // namespace envgate::backends::physical
