#include "backends/docker/backend.hpp"

#include <algorithm>

#include "backends/docker/belongings.hpp"
#include "backends/docker/binds.hpp"
#include "backends/docker/create_body.hpp"
#include "backends/docker/curl_transport.hpp"
#include "backends/docker/login.hpp"
#include "backends/docker/names.hpp"
#include "backends/docker/observe.hpp"
#include "backends/docker/validate.hpp"
#include "backends/physical/host.hpp"

namespace envgate::backends::docker {
namespace {

void tell(const Call& call, std::string step, std::string detail) {
  if (call.progress) call.progress({std::move(step), std::move(detail), 0, 0});
}

Outcome<void> validated(const DockerBackend& backend, const Wanted& wanted) {
  std::string all;
  for (const FieldError& error : backend.validate(wanted)) {
    all += (all.empty() ? "" : "; ") + error.path + ' ' + error.message;
  }
  if (all.empty()) return {};
  return failure(Cause::invalid, "environment " + wanted.environment.str() + " cannot be made: " + all);
}

std::string env(const EnvId& environment) { return "environment " + environment.str(); }

}  // namespace

DockerBackend::DockerBackend(Settings settings)
    : DockerBackend(settings, std::make_unique<CurlTransport>(settings.engine)) {}

DockerBackend::DockerBackend(Settings settings, std::unique_ptr<Transport> transport)
    : settings_(std::move(settings)), transport_(std::move(transport)), engine_(*transport_) {}

std::vector<FieldError> DockerBackend::validate(const Wanted& wanted) const {
  return docker::validate(settings_, wanted);
}

Outcome<std::optional<DockerBackend::Found>> DockerBackend::find(const EnvId& environment, const Call& call) {
  const std::string name = container_name(settings_.install, environment);
  auto inspected = engine_.find("/containers/" + name + "/json", "look at " + env(environment), call);
  if (!inspected) return tl::unexpected(std::move(inspected.error()));
  if (!*inspected) return std::optional<Found>();
  const json& container = **inspected;
  // The engine also finds by the beginning of an id: the name must be ours, too.
  if (text_at(container, {"Name"}) != '/' + name && text_at(container, {"Name"}) != name)
    return std::optional<Found>();
  if (environment_of(settings_, at(container, {"Config", "Labels"})) != environment) {
    return failure(Cause::conflict, "container " + name + " has the name of " + env(environment) +
                                        " and lacks its labels: somebody else made it. It was not touched; "
                                        "rename or remove it");
  }
  Found found{text_at(container, {"Id"}),
              text_at(container, {"State", "Status"}),
              {},
              gpu_use_of(at(container, {"Config", "Labels"})),
              {}};
  found.seen = observed_of(settings_, environment, container);
  found.network_id = text_at(container, {"NetworkSettings", "Networks",
                                         network_name(settings_.install, found.seen.owner), "NetworkID"});
  if (found.id.empty())
    return failure(Cause::failed, "the engine shows container " + name + " without its id");
  return std::optional<Found>(std::move(found));
}

template <typename Lock>
Outcome<void> DockerBackend::wait_for(Lock& lock, const Call& call) {
  while (!lock.try_lock_for(std::chrono::milliseconds(100))) {
    if (auto end = must_end(call, transport_->shown())) return tl::unexpected(std::move(*end));
  }
  return {};
}

Outcome<DockerBackend::Hold> DockerBackend::hold_shared_things(How how, const Call& call) {
  Hold hold{{shared_things_, std::defer_lock}, {shared_things_, std::defer_lock}};
  // The kernel's lock prefers readers: a sweep would wait for as long as environments are made.
  std::unique_lock door(door_, std::defer_lock);
  auto had = wait_for(door, call);
  if (had) had = how == How::alone ? wait_for(hold.alone, call) : wait_for(hold.together, call);
  if (!had) return tl::unexpected(std::move(had.error()));
  return hold;
}

Outcome<std::string> DockerBackend::network_of(const std::string& owner, const Call& call) {
  auto found = find_network(engine_, settings_, owner, call);
  if (!found) return tl::unexpected(std::move(found.error()));
  if (*found) return std::move(**found);
  std::unique_lock making(network_making_, std::defer_lock);
  if (auto had = wait_for(making, call); !had) return tl::unexpected(std::move(had.error()));
  return ensure_network(engine_, settings_, owner, call);
}

Outcome<std::vector<GpuUse>> DockerBackend::gpus_in_use(const std::string& but, const Call& call) {
  std::vector<GpuUse> in_use;
  auto listed = each_container(
      engine_, settings_, "",
      [&](const json& container) {
        auto use = gpu_use_of(at(container, {"Labels"}));
        if (!use || text_at(container, {"Id"}) == but) return;
        const std::string status = text_at(container, {"State"});
        use->lent = status == "exited" || status == "dead";  // one that was just created is about to start
        in_use.push_back(std::move(*use));
      },
      call);
  if (!listed) return tl::unexpected(std::move(listed.error()));
  return in_use;
}

Outcome<DockerBackend::Found> DockerBackend::create(const Wanted& wanted, const Image& image,
                                                    const Call& call) {
  Resolved resolved{image.id, image.digest, {}, {}};
  for (const Mount& mount : wanted.mounts) {
    const bool bind = mount.kind == MountKind::bind;
    auto path = bind ? resolve_bind(mount.source, settings_.bind_roots) : Result<std::string>("");
    if (!path)
      return failure(Cause::invalid, "mount of " + env(wanted.environment) + ": " + path.error().message);
    resolved.binds.push_back(std::move(*path));
  }
  auto volumes = ensure_volumes(engine_, settings_, wanted, call);
  if (!volumes) return tl::unexpected(std::move(volumes.error()));
  auto hold = hold_shared_things(wanted.gpu.count > 0 ? How::alone : How::together, call);
  if (!hold) return tl::unexpected(std::move(hold.error()));
  auto network = network_of(wanted.owner, call);
  if (!network) return tl::unexpected(std::move(network.error()));
  if (wanted.gpu.count > 0) {
    auto in_use = gpus_in_use("", call);
    if (!in_use) return tl::unexpected(std::move(in_use.error()));
    auto gpus = choose_gpus(settings_.gpus, *in_use, wanted.gpu);
    if (!gpus) return tl::unexpected(std::move(gpus.error()));
    resolved.gpus = std::move(*gpus);
  }
  tell(call, "create", "");
  auto made =
      engine_.post("/containers/create?name=" + container_name(settings_.install, wanted.environment),
                   container_body(settings_, wanted, resolved), "create " + env(wanted.environment), call);
  if (!made) return tl::unexpected(std::move(made.error()));
  Found found{text_at(*made, {"Id"}), "created", {}, {}, {}};
  if (found.id.empty())
    return failure(Cause::failed, "the engine made " + env(wanted.environment) + " and gave no id");
  if (!resolved.gpus.empty())
    found.gpus = GpuUse{std::move(resolved.gpus), wanted.gpu.mode == GpuMode::shared};
  found.seen.environment = wanted.environment;
  found.seen.state = State::creating;
  return found;
}

Outcome<DockerBackend::Found> DockerBackend::ensure_container(const Wanted& wanted, const Call& call) {
  auto found = find(wanted.environment, call);
  if (!found) return tl::unexpected(std::move(found.error()));
  if (*found) {
    Found& old = **found;
    if (old.seen.generation > wanted.generation) {
      return failure(Cause::conflict, env(wanted.environment) + " is already at generation " +
                                          std::to_string(old.seen.generation) + ", and generation " +
                                          std::to_string(wanted.generation) +
                                          " was asked for: read it again");
    }
    const bool broken = old.status == "dead" || old.status == "removing";
    if (old.seen.generation == wanted.generation && !broken) return std::move(old);
  }
  // The image first: if it cannot be had, what runs goes on running.
  auto image = ensure_image(engine_, wanted, call);
  if (!image) return tl::unexpected(std::move(image.error()));
  if (*found) {
    tell(call, "replace", "generation " + std::to_string((*found)->seen.generation));
    auto removed = stop(**found, settings_.grace, call);
    if (removed) removed = remove(**found, call);
    if (!removed) return tl::unexpected(std::move(removed.error()));
  }
  return create(wanted, *image, call);
}

Outcome<void> DockerBackend::start(const Found& found, const Wanted& wanted, const Call& call) {
  tell(call, "start", "");
  const std::string path = "/containers/" + found.id, doing = "start " + env(wanted.environment);
  // While it was stopped somebody may have removed its network.
  auto hold = hold_shared_things(found.gpus ? How::alone : How::together, call);
  if (!hold) return tl::unexpected(std::move(hold.error()));
  auto network = network_of(wanted.owner, call);
  if (!network) return tl::unexpected(std::move(network.error()));
  if (found.gpus) {
    auto in_use = gpus_in_use(found.id, call);
    if (!in_use) return tl::unexpected(std::move(in_use.error()));
    std::string taken;
    for (const std::string& id : gpus_in_the_way(*found.gpus, *in_use))
      taken += (taken.empty() ? "" : ", ") + id;
    if (!taken.empty())
      return failure(Cause::exhausted,
                     "another environment has taken GPU " + taken + " while " + env(wanted.environment) +
                         " was stopped: it starts when that is free again; a rebuild takes other GPUs now,"
                         " and loses what is not on its volumes");
  }
  // Podman knows a network by its name alone, which leads to the new one.
  const std::string& known = found.network_id;
  if (!known.empty() && known != *network && known != network_name(settings_.install, wanted.owner)) {
    auto joined = rejoin_network(engine_, settings_, wanted.owner, found.id, call);
    if (!joined) return joined;
  }
  auto started = engine_.post(path + (found.status == "paused" ? "/unpause" : "/start"), json(), doing, call);
  // The container is there; its network was removed by another controller's sweep a moment ago.
  if (!started && started.error().cause == Cause::missing) started.error().cause = Cause::failed;
  if (!started) return tl::unexpected(std::move(started.error()));
  return {};
}

Outcome<Observed> DockerBackend::ensure(const Wanted& wanted, const Call& call) {
  if (auto good = validated(*this, wanted); !good) return tl::unexpected(std::move(good.error()));
  auto found = ensure_container(wanted, call);
  if (!found) return tl::unexpected(std::move(found.error()));

  Outcome<void> done;
  const bool runs = found->seen.state == State::running;
  if (wanted.power == Power::stopped) {
    done = stop(*found, settings_.grace, call);
  } else if (!runs) {
    done = start(*found, wanted, call);
  }
  if (done && wanted.login) {
    tell(call, "login", "");
    done = set_login(engine_, found->id, *wanted.login, call);
  }
  if (!done) return tl::unexpected(std::move(done.error()));
  if (runs && wanted.power == Power::running && !wanted.login) return std::move(found->seen);
  return observe(wanted.environment, call);
}

Outcome<void> DockerBackend::stop(const Found& found, std::chrono::seconds grace, const Call& call) {
  if (found.seen.state != State::running && found.status != "paused" && found.status != "restarting")
    return {};
  tell(call, "stop", "");
  // The engine answers when it has ended: leave it time to kill after the grace.
  const auto left =
      std::chrono::floor<std::chrono::seconds>(call.deadline - std::chrono::steady_clock::now());
  const auto wait = std::clamp(grace, std::chrono::seconds(0),
                               std::max(left - std::chrono::seconds(3), std::chrono::seconds(0)));
  auto stopped = engine_.post("/containers/" + found.id + "/stop?t=" + std::to_string(wait.count()), json(),
                              "stop " + env(found.seen.environment), call);
  if (stopped || stopped.error().cause == Cause::missing) return {};
  return tl::unexpected(std::move(stopped.error()));
}

Outcome<Observed> DockerBackend::stop(const EnvId& environment, std::chrono::seconds grace,
                                      const Call& call) {
  auto found = find(environment, call);
  if (!found) return tl::unexpected(std::move(found.error()));
  if (*found) {
    auto stopped = stop(**found, grace, call);
    if (!stopped) return tl::unexpected(std::move(stopped.error()));
  }
  return observe(environment, call);
}

// v: with the volumes that the image itself declared and nobody named; the named ones stay.
Outcome<void> DockerBackend::remove(const Found& found, const Call& call) {
  return engine_.remove("/containers/" + found.id + "?v=1&force=1", "remove " + env(found.seen.environment),
                        call);
}

Outcome<void> DockerBackend::destroy(const EnvId& environment, Volumes volumes, const Call& call) {
  auto found = find(environment, call);
  if (!found) return tl::unexpected(std::move(found.error()));
  if (*found) {
    auto gone = stop(**found, settings_.grace, call);
    if (gone) gone = remove(**found, call);
    if (!gone) return gone;
  }
  // Also where no container was: a call before this one may have been cut short here.
  if (volumes == Volumes::remove) {
    auto removed = remove_volumes(engine_, settings_, environment, call);
    if (!removed) return removed;
  }
  auto hold = hold_shared_things(How::alone, call);
  if (!hold) return tl::unexpected(std::move(hold.error()));
  return sweep_networks(engine_, settings_, *found ? (*found)->seen.owner : "", call);
}

Outcome<Observed> DockerBackend::observe(const EnvId& environment, const Call& call) {
  auto found = find(environment, call);
  if (!found) return tl::unexpected(std::move(found.error()));
  if (*found) return std::move((*found)->seen);
  Observed absent;
  absent.environment = environment;
  return absent;
}

Outcome<std::vector<Observed>> DockerBackend::list(const Call& call) {
  std::vector<Observed> all;
  auto listed = each_container(
      engine_, settings_, "",
      [&](const json& container) {
        if (auto seen = listed_of(settings_, container)) all.push_back(std::move(*seen));
      },
      call);
  if (!listed) return tl::unexpected(std::move(listed.error()));
  return all;
}

Outcome<HostKeys> DockerBackend::host_keys(const Observed& seen, const Call& call) {
  if (!seen.address)
    return failure(Cause::unreachable, env(seen.environment) + " has no address to ask for its host keys");
  std::uint16_t port = 22;
  for (const Published& published : seen.published)
    if (published.port == 22) port = published.node_port;
  physical::Settings settings;  // only where its programs are
  settings.connect_time = std::chrono::seconds(5);
  return physical::scan_server(settings, *seen.address, port, call);
}

Outcome<Capacity> DockerBackend::capacity(const Call& call) {
  auto known = facts(call);
  if (!known) return tl::unexpected(std::move(known.error()));
  return Capacity{known->cpus * 1000, known->memory};
}

Outcome<EngineFacts> DockerBackend::facts(const Call& call) {
  auto info = engine_.find("/info", "ask what it is", call);
  if (!info) return tl::unexpected(std::move(info.error()));
  EngineFacts facts;
  if (!*info) return failure(Cause::failed, "the engine at " + transport_->shown() + " does not know /info");
  facts.id = text_at(**info, {"ID"});
  facts.version = text_at(**info, {"ServerVersion"});
  facts.cpus = number_at(**info, {"NCPU"});
  facts.memory.count = number_at(**info, {"MemTotal"});
  facts.time = parse_engine_time(text_at(**info, {"SystemTime"}));
  return facts;
}

}  // namespace envgate::backends::docker
