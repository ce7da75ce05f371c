// The contract that physical machines, Docker, libvirt and Kubernetes keep, so that one reconciler drives
// all.
//
// Every operation is idempotent: it compares what is there with what is wanted, does what is missing, and may
// be repeated after any failure, a kill -9 between any two of its steps included. What it makes has a
// deterministic name and labels (install, environment, generation, owner); what lacks our labels is never
// touched, whatever its name.
//
// Thread: any; calls block. They are made from a pool of worker threads of the control plane: its speed is
// not the point, and SQL, libvirt and ssh block anyhow. Two calls for one environment are not made at once
// (the reconciler's lock); calls for different ones may be.
#pragma once

#include <chrono>
#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "backends/failure.hpp"
#include "backends/spec.hpp"

namespace envgate::backends {

// Told while an operation works, at most ten times a second: "pull", "layer 3 of 5", 1048576, 4194304.
struct Progress {
  std::string step;
  std::string detail;
  std::uint64_t done = 0;
  std::uint64_t total = 0;  // 0: not known
};

// How long a call may take, who can end it, and who is told. Cancel: a request on `cancel` ends the call with
// Cause::cancelled within a second; what was done stays, and the next call goes on from there.
struct Call {
  std::chrono::steady_clock::time_point deadline;
  std::stop_token cancel;
  std::function<void(const Progress&)> progress;  // on the calling thread; may be empty

  static Call within(std::chrono::milliseconds time) {
    return {std::chrono::steady_clock::now() + time, {}, {}};
  }
};

struct FieldError {
  std::string path;  // "mounts[1].source"
  std::string message;
};

class Backend {
 public:
  virtual ~Backend() = default;

  // Every mistake and every combination that this backend does not support, at once; empty: can be made.
  // Asks nobody: it may be called while the engine is away.
  virtual std::vector<FieldError> validate(const Wanted& wanted) const = 0;

  // Makes it so, running or stopped as wanted, and says what came of it. An older generation is replaced and
  // its named volumes are kept; a newer one is a conflict.
  virtual Outcome<Observed> ensure(const Wanted& wanted, const Call& call) = 0;

  // Ends it after `grace`, which the deadline may cut short. Absent or stopped is success.
  virtual Outcome<Observed> stop(const EnvId& environment, std::chrono::seconds grace, const Call& call) = 0;

  // Removes all that was made for it. Absent is success.
  virtual Outcome<void> destroy(const EnvId& environment, Volumes volumes, const Call& call) = 0;

  virtual Outcome<Observed> observe(const EnvId& environment, const Call& call) = 0;

  // All that carry this install's labels. It decides by label alone.
  virtual Outcome<std::vector<Observed>> list(const Call& call) = 0;

  // Of the SSH server where `seen` says that it is reached. Whoever answers there chooses them, so that they
  // are asked for once, when it has just been made, and kept. Empty: they are known otherwise.
  virtual Outcome<HostKeys> host_keys(const Observed& /*seen*/, const Call&) { return HostKeys{}; }

  // For placement, which goes by what is reserved where this is known.
  virtual Outcome<Capacity> capacity(const Call&) { return Capacity{}; }
};

}  // namespace envgate::backends
