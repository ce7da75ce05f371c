#include "backends/physical/backend.hpp"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <thread>

#include "backends/physical/validate.hpp"

namespace envgate::backends::physical {
namespace {

constexpr std::uint16_t kSshPort = 22;  // by which an environment's sshd is named, wherever it listens

Observed absent(const EnvId& environment) {
  Observed seen;
  seen.environment = environment;
  return seen;
}

Outcome<void> validated(const PhysicalBackend& backend, const Wanted& wanted) {
  std::string all;
  for (const FieldError& error : backend.validate(wanted)) {
    all += (all.empty() ? "" : "; ") + error.path + ' ' + error.message;
  }
  if (all.empty()) return {};
  return failure(Cause::invalid, "environment " + wanted.environment.str() + " cannot be made: " + all);
}

}  // namespace

Observed PhysicalBackend::observed(const Machine& machine, const Marker& marker) const {
  Observed seen;
  seen.environment = marker.environment;
  seen.generation = marker.generation;
  seen.instance = marker.instance;
  seen.owner = marker.owner;
  switch (marker.power) {
    case MarkerPower::granting: seen.state = State::creating; break;
    case MarkerPower::running: seen.state = State::running; break;
    case MarkerPower::stopped: seen.state = State::stopped; break;
  }
  if (seen.state == State::running) {
    seen.address = machine.address;
    if (machine.ssh_port != kSshPort) seen.published = {{kSshPort, machine.ssh_port}};
    seen.started_at = marker.since;
  }
  seen.detail = "on machine " + machine.name;
  return seen;
}

std::vector<FieldError> PhysicalBackend::validate(const Wanted& wanted) const {
  return physical::validate(settings_, wanted);
}

Outcome<Observed> PhysicalBackend::ensure(const Wanted& wanted, const Call& call) {
  if (auto good = validated(*this, wanted); !good) return tl::unexpected(std::move(good.error()));
  const auto machine = pool_.held_by(wanted.environment);
  if (!machine) {
    return failure(Cause::missing,
                   "environment " + wanted.environment.str() + " holds no machine: allocate one first");
  }
  const Host host(settings_, *machine);
  auto marker = wanted.power == Power::running
                    ? host.grant(wanted.environment, wanted.generation, wanted.owner, wanted.login, call)
                    : host.hold(wanted.environment, wanted.generation, wanted.owner, settings_.grace, call);
  if (!marker) return tl::unexpected(std::move(marker.error()));
  return observed(*machine, *marker);
}

Outcome<Observed> PhysicalBackend::stop(const EnvId& environment, std::chrono::seconds grace,
                                        const Call& call) {
  const auto machine = pool_.held_by(environment);
  if (!machine) return absent(environment);
  auto marker = Host(settings_, *machine).stop(environment, grace, call);
  if (!marker) return tl::unexpected(std::move(marker.error()));
  return *marker ? observed(*machine, **marker) : absent(environment);
}

Outcome<void> PhysicalBackend::destroy(const EnvId& environment, Volumes, const Call& call) {
  const auto machine = pool_.held_by(environment);
  if (!machine) return {};
  return Host(settings_, *machine).reclaim(environment, call);
}

Outcome<Observed> PhysicalBackend::observe(const EnvId& environment, const Machine& machine,
                                           const Call& call) const {
  const auto marker = Host(settings_, machine).look(call);
  if (!marker) return tl::unexpected(marker.error());
  const bool ours =
      *marker && (*marker)->install == settings_.install && (*marker)->environment == environment;
  return ours ? observed(machine, **marker) : absent(environment);
}

Outcome<Observed> PhysicalBackend::observe(const EnvId& environment, const Call& call) {
  const auto machine = pool_.held_by(environment);
  return machine ? observe(environment, *machine, call) : absent(environment);
}

Outcome<std::vector<Observed>> PhysicalBackend::list(const Call& call) {
  const auto held = pool_.all_held();
  std::vector<Observed> all;
  std::mutex adding;
  std::atomic<std::size_t> next = 0;
  Call silent = call;
  silent.progress = {};  // it is promised the calling thread
  const auto work = [&] {
    for (std::size_t i; (i = next++) < held.size();) {
      auto seen = observe(held[i].first, held[i].second, silent);
      if (!seen || seen->state == State::absent) continue;
      const std::lock_guard lock(adding);
      all.push_back(std::move(*seen));
    }
  };
  {
    std::vector<std::jthread> workers(std::min(held.size(), std::max<std::size_t>(settings_.parallel, 1)));
    for (std::jthread& worker : workers) worker = std::jthread(work);
  }
  if (call.cancel.stop_requested()) return failure(Cause::cancelled, "the list of machines was cancelled");
  std::sort(all.begin(), all.end(),
            [](const Observed& a, const Observed& b) { return a.environment < b.environment; });
  return all;
}

}  // namespace envgate::backends::physical
