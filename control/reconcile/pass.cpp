#include "control/reconcile/pass.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <thread>

#include "base/fd.hpp"
#include "base/log.hpp"
#include "control/lifecycle/fields.hpp"
#include "control/lifecycle/lifecycle.hpp"
#include "control/lifecycle/spec.hpp"
#include "control/lifecycle/views.hpp"
#include "control/reconcile/fault_point.hpp"
#include "control/reconcile/reach.hpp"
#include "control/reconcile/step_log.hpp"
#include "control/store/changes.hpp"
#include "control/store/keeping.hpp"
#include "control/store/machines.hpp"
#include "control/store/now.hpp"
#include "control/store/owners.hpp"

namespace envgate::control {
namespace {

using backends::Cause;
using backends::Observed;
using store::Desired;
using store::Environment;
using store::State;
using store::Transaction;

constexpr std::chrono::seconds kPinning{20};

// Trying again cannot help before somebody has changed something.
bool lasting(Cause cause) {
  return cause == Cause::invalid || cause == Cause::missing || cause == Cause::denied ||
         cause == Cause::conflict;
}

std::string published_of(const Observed& seen) {
  nlohmann::json all = nlohmann::json::array();
  for (const backends::Published& p : seen.published)
    all.push_back({{"port", p.port}, {"node_port", p.node_port}});
  return write_json(all);
}

void change_state(Transaction& t, Environment& e, State state, const std::string& why) {
  if (e.state == state) return;
  e.state = state;
  store::append_event(t, e.id, "environment_state",
                      write_json({{"state", store::to_string(state)}, {"reason", why}}));
}

void set_ready(Environment& e, const std::string& status, const std::string& reason,
               const std::string& message) {
  e.conditions = set_condition(e.conditions, "Ready", status, reason, message, store::now_ms());
}

// Empty: those of the instance before are not this one's, and the gateway must not go by them.
void keep_pinned(Environment& e, const backends::HostKeys& pinned, const std::string& instance) {
  const bool shown = !pinned.keys.empty();
  e.host_keys = write_json(pinned.keys);
  e.ssh_server = pinned.server;
  e.host_keys_instance = shown ? instance : "";
  e.conditions =
      set_condition(e.conditions, "HostKeysPinned", shown ? "true" : "false", shown ? "Pinned" : "SshSilent",
                    shown ? "" : "its ssh server shows no host keys yet: the gateway lets nobody in before",
                    store::now_ms());
}

}  // namespace

struct Pass::Work {
  Work(std::string environment, std::stop_token token)
      : id(std::move(environment)), stop(std::move(token)), log(id) {}
  std::string id;
  std::stop_token stop;
  Environment e;  // as it was at the beginning
  EnginePtr engine;
  std::string sealed_password, sealed_registry;
  std::string authority;  // its public line, where the environment is audited
  StepLog log;
  bool claimed = false, there = false;
};

Pass::Pass(store::Database& database, const secrets::SecretBox& box, const ControlSettings& settings,
           const Engines& engines, std::string token, std::function<void()> committed)
    : database_(database),
      box_(box),
      settings_(settings),
      engines_(engines),
      token_(std::move(token)),
      committed_(std::move(committed)) {}

// An audited environment of an older program lacks what the gateway needs.
Result<void> Pass::make_ready(Transaction& t, Environment& e, std::string& authority) const {
  if (e.desired == Desired::deleted || !is_audited(e)) return {};
  const Environment before = e;
  if (auto made = prepare_audited(t, box_, e); !made) return made;
  if (e != before) publish_route(t, e), store::update_environment(t, e);
  auto line = authority_line(t, box_);
  if (!line) return Failure(line.error());
  authority = std::move(*line);
  return {};
}

bool Pass::begin(Work& work) {
  auto begun = database_.transaction(
      [&](Transaction& t) -> Result<void> {
        work.log = StepLog(work.id);
        work.claimed = store::claim(t, work.id, token_, settings_.control.reconcile.claim);
        if (!work.claimed) return {};
        auto e = store::find_environment(t, work.id);
        work.there = e && e->state != State::deleted;
        if (!work.there) {
          store::drop_claim(t, work.id, token_);
          return {};
        }
        if (auto ready = make_ready(t, *e, work.authority); !ready) return ready;
        work.e = std::move(*e);
        const char* password = is_audited(work.e) ? kTargetPassword : kSshPassword;
        work.sealed_password = store::find_sealed(t, work.id, password).value_or("");
        work.sealed_registry = store::find_sealed(t, work.id, kRegistryPassword).value_or("");
        work.log.begin(t);
        return {};
      },
      store::Priority::background);
  if (!begun) log::error("pass_failed").environment(work.id).error(begun.error());
  if (begun && work.there && !work.log.empty()) committed_();
  return begun.has_value();
}

Pass::Outcome Pass::run(const std::string& id, std::stop_token stop) {
  Work work(id, std::move(stop));
  fault_point("pass.begin.before");
  if (!begin(work)) return Outcome::retry;
  fault_point("pass.begin.after");
  if (!work.claimed) return Outcome::busy;
  if (!work.there) return Outcome::settled;
  work.engine = engines_.find(Engines::key_of(work.e.backend, work.e.node));
  if (!work.engine)
    return record_failure(
        work, {Cause::unreachable, "there is no engine for " + work.e.backend + " on node " + work.e.node +
                                       "; set it up, or add the node again"});
  switch (work.e.desired) {
    case Desired::running: return make_running(work);
    case Desired::stopped: return make_stopped(work);
    case Desired::deleted: return make_deleted(work);
  }
  return Outcome::settled;
}

backends::Call Pass::call(Work& work) {
  backends::Call made;
  made.deadline = std::chrono::steady_clock::now() + work.engine->timeout;
  made.cancel = work.stop;
  made.progress = [this, &work](const backends::Progress& progress) {
    const bool physical = work.e.backend == "physical" && work.e.desired == Desired::deleted;
    const bool another = progress.step != work.log.step();
    if (!work.log.report(progress) && !(physical && another)) return;
    (void)database_.transaction(
        [&](Transaction& t) -> Result<void> {
          work.log.save(t);
          auto machine = physical ? store::machine_of(t, work.id) : std::nullopt;
          if (!machine) return {};
          using store::MachineState;
          for (const MachineState state :
               {MachineState::draining, MachineState::cleaning, MachineState::verifying})
            if (store::to_string(state) == progress.step && machine->state != state) {
              machine->state = state;
              store::update_machine(t, *machine);
            }
          return {};
        },
        store::Priority::background);
    committed_();
  };
  return made;
}

backends::Wanted Pass::wanted_of(const Work& work, bool login) const {
  const Spec spec = stored_spec(work.e);
  backends::Wanted wanted = spec.wanted;
  wanted.environment = *routing::EnvId::parse(work.e.id);
  wanted.generation = static_cast<std::uint64_t>(work.e.generation);
  wanted.owner = work.e.owner;
  wanted.ports.push_back({22, 0});
  for (const PortSpec& port : spec.ports)
    if (port.port != 22) wanted.ports.push_back({port.port, 0});
  if (wanted.registry && !work.sealed_registry.empty()) {
    auto password = box_.unseal(work.sealed_registry, secret_owner(work.id, kRegistryPassword));
    if (password) wanted.registry->password = std::move(*password);
  }
  if (login) {
    const bool audited = spec.ssh_mode == routing::SshMode::audited;
    auto password =
        box_.unseal(work.sealed_password, secret_owner(work.id, audited ? kTargetPassword : kSshPassword));
    if (!password) log::error("secret_lost").environment(work.id).error(password.error());
    std::vector<std::string> keys = audited ? onward_lines(work.e, work.authority) : spec.ssh_keys;
    // Our own key is still there: it goes, whether or not others come in its place.
    if (!audited && keys.empty() && !work.e.onward_key.empty()) keys = {kNoKeys};
    wanted.login =
        backends::Login{spec.ssh_user, password ? std::move(*password) : backends::Secret(), std::move(keys)};
  }
  return wanted;
}

Pass::Outcome Pass::make_running(Work& work) {
  backends::Backend& backend = *work.engine->backend;
  const routing::EnvId id = *routing::EnvId::parse(work.id);
  const Environment& was = work.e;
  bool login = was.login_instance.empty() || was.login_set < was.login_version;
  if (!login) {  // it is due only where what is there is another one than had it
    fault_point("backend.observe.before");
    const auto seen = backend.observe(id, call(work));
    fault_point("backend.observe.after");
    if (!seen) return record_failure(work, seen.error());
    login = seen->state == backends::State::absent || seen->instance != was.login_instance ||
            seen->generation != static_cast<std::uint64_t>(was.generation);
  }

  if (work.e.restarts_done < work.e.restarts_wanted) {
    fault_point("backend.stop.before");
    auto stopped = backend.stop(id, work.engine->grace, call(work));
    fault_point("backend.stop.after");
    if (!stopped) return record_failure(work, stopped.error());
    const long long wanted = work.e.restarts_wanted;
    // Recorded between the two, so that a controller killed after the start does not restart it again.
    const Outcome noted = record(
        work,
        [&](Transaction& t, Environment& e) {
          e.restarts_done = wanted;
          change_state(t, e, State::starting, "restart");
          return Outcome::settled;
        },
        false);
    if (noted != Outcome::settled) return noted;
  }

  fault_point("backend.ensure.before");
  auto made = backend.ensure(wanted_of(work, login), call(work));
  fault_point("backend.ensure.after");
  if (!made) return record_failure(work, made.error());
  // Somebody removed it between the look and the making: what was made has no login yet.
  if (!login && made->instance != was.login_instance) return Outcome::again;
  if (made->state != backends::State::running)
    return record_failure(work, {Cause::failed, "it does not stay running: " + made->detail});
  return record_running(work, *made);
}

// Of a target that control has just made, or has just taken over for the gateway: never of one that it has
// met before, whoever answers there now.
std::optional<backends::HostKeys> Pass::pin(Work& work, const Observed& seen) {
  const Environment& e = work.e;
  if (e.onward_key.empty() || !is_audited(e) || e.backend == "physical") return std::nullopt;
  if (e.host_keys_instance == seen.instance) return std::nullopt;
  auto asked = call(work);
  asked.deadline = std::min(asked.deadline, std::chrono::steady_clock::now() + kPinning);
  fault_point("backend.host_keys.before");
  auto shown = work.engine->backend->host_keys(seen, asked);
  if (shown) return std::move(*shown);
  log::warn("host_keys_not_pinned").environment(work.id).text("error", shown.error().message);
  return backends::HostKeys{};
}

Pass::Outcome Pass::record_running(Work& work, const Observed& seen) {
  const bool fresh = seen.instance != work.e.instance || work.e.state != State::running ||
                     (seen.address && seen.address->to_string() != work.e.address);
  bool answers = true;
  const auto reach = settings_.control.reconcile.reach;
  if (fresh && seen.address && reach.count() > 0) {
    std::uint16_t port = 22;
    for (const backends::Published& p : seen.published)
      if (p.port == 22) port = p.node_port;
    answers = wait_for_port({*seen.address, port}, reach, work.stop);
  }
  const auto pinned = pin(work, seen);
  const Environment& did = work.e;
  return record(work, [&](Transaction& t, Environment& e) {
    e.address = seen.address ? seen.address->to_string() : "";
    e.published = published_of(seen);
    e.instance = seen.instance;
    e.image_digest = seen.image_digest;
    e.login_set = std::max(e.login_set, did.login_version);
    e.login_instance = seen.instance;
    if (seen.started_at) e.started = seen.started_at->time_since_epoch().count() * 1000;
    e.holds_compute = true;
    const bool asked = e.desired != Desired::running || e.generation != did.generation ||
                       e.login_version != did.login_version || e.restarts_wanted != did.restarts_wanted;
    if (asked) return Outcome::again;  // its own pass follows, and ends the operations
    if (!e.onward_key.empty() && !is_audited(e)) forget_onward(t, e);
    if (pinned) keep_pinned(e, *pinned, seen.instance);
    if (fresh)
      e.conditions = set_condition(
          e.conditions, "Reachable", answers ? "true" : "false", answers ? "SshAnswers" : "SshSilent",
          answers ? "" : "nothing answers on its ssh port yet: is there an SSH server in it?",
          store::now_ms());
    change_state(t, e, State::running, "");
    set_ready(e, "true", "Running", "");
    work.log.succeed(t);
    return pinned && pinned->keys.empty() ? Outcome::retry : Outcome::settled;
  });
}

Pass::Outcome Pass::make_stopped(Work& work) {
  fault_point("backend.stop.before");
  auto seen = work.engine->backend->stop(*routing::EnvId::parse(work.id), work.engine->grace, call(work));
  fault_point("backend.stop.after");
  if (!seen) return record_failure(work, seen.error());
  return record(work, [&](Transaction& t, Environment& e) {
    if (e.desired != Desired::stopped) return Outcome::again;
    e.address.clear();
    e.published = "[]";
    e.holds_compute = false;
    e.instance = seen->instance;
    change_state(t, e, State::stopped, "");
    set_ready(e, "false", "Stopped", "it was asked to stop");
    work.log.succeed(t);
    return Outcome::settled;
  });
}

Pass::Outcome Pass::make_deleted(Work& work) {
  const Policy policy = stored_policy(work.e);
  fault_point("backend.destroy.before");
  auto gone = work.engine->backend->destroy(*routing::EnvId::parse(work.id), policy.volumes, call(work));
  fault_point("backend.destroy.after");
  const bool physical = work.e.backend == "physical";
  if (!gone && (!physical || gone.error().cause == Cause::cancelled))
    return record_failure(work, gone.error());
  return record(work, [&](Transaction& t, Environment& e) {
    if (auto machine = physical ? store::machine_of(t, e.id) : std::nullopt) {
      // Never available before it was verified: what went wrong on the way puts it aside.
      machine->state = gone ? store::MachineState::available : store::MachineState::quarantined;
      machine->reason = gone ? "" : gone.error().message;
      machine->reachable = machine->reachable || gone;  // it has just been verified
      machine->environment.clear();
      store::update_machine(t, *machine);
      store::append_event(t, "", "machine_state",
                          write_json({{"machine", machine->name},
                                      {"state", store::to_string(machine->state)},
                                      {"reason", machine->reason}}));
    }
    store::release_ports(t, e.id);
    store::remove_sealed(t, e.id);
    store::set_shares(t, e.id, {});
    e.verifier.clear();
    e.onward_key.clear();
    e.address.clear();
    e.published = "[]";
    e.holds_compute = false;
    e.deleted = store::now_ms();
    change_state(t, e, State::deleted, "");
    set_ready(e, "false", "Deleted", "");
    work.log.succeed(t);
    return Outcome::settled;
  });
}

Pass::Outcome Pass::record(Work& work, const std::function<Outcome(Transaction&, Environment&)>& f,
                           bool last) {
  fault_point("pass.record.before");
  auto recorded = database_.transaction(
      [&](Transaction& t) -> Result<Outcome> {
        if (!store::holds_claim(t, work.id, token_)) return Outcome::busy;
        auto e = store::find_environment(t, work.id);
        if (!e || e->state == State::deleted) return Outcome::settled;
        const Environment before = *e;
        const Outcome outcome = f(t, *e);
        publish_route(t, *e);
        if (*e != before) store::update_environment(t, *e);
        if (last) store::drop_claim(t, work.id, token_);
        return outcome;
      },
      store::Priority::background);
  fault_point("pass.record.after");
  if (!recorded) {
    log::error("pass_failed").environment(work.id).error(recorded.error());
    return Outcome::retry;
  }
  committed_();
  return *recorded;
}

Pass::Outcome Pass::record_failure(Work& work, const backends::Failure& failure) {
  if (failure.cause == Cause::cancelled) return Outcome::retry;
  const std::string code(backends::to_string(failure.cause));
  log::warn("environment_failed").environment(work.id).text("cause", code).text("error", failure.message);
  const long long waited = work.log.oldest() == 0 ? 0 : store::now_ms() - work.log.oldest();
  const bool final = lasting(failure.cause) || waited > settings_.control.reconcile.give_up.count();
  const Environment& did = work.e;
  return record(work, [&](Transaction& t, Environment& e) {
    const bool asked = e.desired != did.desired || e.generation != did.generation;
    if (asked) return Outcome::again;
    const bool was_running = e.state == State::running;
    if (final && e.desired != Desired::deleted) change_state(t, e, State::failed, failure.message);
    // An engine that does not answer says nothing of what runs on it.
    const bool unknown =
        was_running && (failure.cause == Cause::unreachable || failure.cause == Cause::timeout);
    set_ready(e, unknown ? "unknown" : "false", code, failure.message);
    if (final)
      work.log.fail(t, code, failure.message);
    else
      work.log.hold_up(t, code, failure.message);
    return Outcome::retry;
  });
}

}  // namespace envgate::control
