// The contract kept with a Docker engine, or Podman's socket that speaks the same API, here or on a remote
// node. README.md says what a container gets and what it never does.
//
// Thread: any; calls block. Nothing of an environment is kept here: each call asks the engine, so that a
// restart of the engine or of us forgets nothing.
#pragma once

#include <memory>
#include <mutex>
#include <shared_mutex>

#include "backends/backend.hpp"
#include "backends/docker/engine.hpp"
#include "backends/docker/gpus.hpp"
#include "backends/docker/images.hpp"
#include "backends/docker/settings.hpp"

namespace envgate::backends::docker {

struct EngineFacts {
  std::string id;  // the engine's own, the same over all its addresses
  std::string version;
  std::uint64_t cpus = 0;
  Bytes memory;
  std::optional<std::chrono::sys_seconds> time;  // its clock's
};

class DockerBackend final : public Backend {
 public:
  // Requires: check(settings) was good.
  explicit DockerBackend(Settings settings);
  DockerBackend(Settings settings, std::unique_ptr<Transport> transport);

  std::vector<FieldError> validate(const Wanted& wanted) const override;
  Outcome<Observed> ensure(const Wanted& wanted, const Call& call) override;
  Outcome<Observed> stop(const EnvId& environment, std::chrono::seconds grace, const Call& call) override;
  Outcome<void> destroy(const EnvId& environment, Volumes volumes, const Call& call) override;
  Outcome<Observed> observe(const EnvId& environment, const Call& call) override;
  Outcome<std::vector<Observed>> list(const Call& call) override;

  // A scan over the network that the gateway uses, too: an image need not have its keys in any one file, and
  // dropbear makes them when somebody first connects.
  Outcome<HostKeys> host_keys(const Observed& seen, const Call& call) override;
  Outcome<Capacity> capacity(const Call& call) override;

  Outcome<EngineFacts> facts(const Call& call);

 private:
  struct Found {
    std::string id;
    std::string status;      // the engine's own word
    std::string network_id;  // of its owner's network; empty before its first start
    std::optional<GpuUse> gpus;
    Observed seen;
  };
  // Nothing: not there. Errors: conflict, if it is not ours.
  Outcome<std::optional<Found>> find(const EnvId& environment, const Call& call);
  // As it is just after it was made.
  Outcome<Found> create(const Wanted& wanted, const Image& image, const Call& call);
  // Of all our containers but that one. Requires: Hold::alone.
  Outcome<std::vector<GpuUse>> gpus_in_use(const std::string& but, const Call& call);
  // Leaves a container that may be kept as it is, or makes one.
  Outcome<Found> ensure_container(const Wanted& wanted, const Call& call);
  Outcome<void> start(const Found& found, const Wanted& wanted, const Call& call);
  Outcome<void> stop(const Found& found, std::chrono::seconds grace, const Call& call);
  Outcome<void> remove(const Found& found, const Call& call);
  // The owner's network; made by one at a time, since Docker makes two of one name. Requires: a Hold.
  Outcome<std::string> network_of(const std::string& owner, const Call& call);

  // Of what environments share. Many may have it `together`; who waits for it `alone` goes before those that
  // come later.
  struct Hold {
    std::shared_lock<std::shared_timed_mutex> together;
    std::unique_lock<std::shared_timed_mutex> alone;
  };
  enum class How : std::uint8_t { together, alone };
  Outcome<Hold> hold_shared_things(How how, const Call& call);
  template <typename Lock>
  Outcome<void> wait_for(Lock& lock, const Call& call);

  const Settings settings_;
  const std::unique_ptr<Transport> transport_;
  Engine engine_;
  // Over what environments share: an owner's network is made and joined (together), or found unused and
  // removed (alone), and a GPU chosen and taken (alone), without another environment in between. Never held
  // over a pull or a stop.
  std::timed_mutex door_;
  std::shared_timed_mutex shared_things_;
  std::timed_mutex network_making_;
};

}  // namespace envgate::backends::docker
