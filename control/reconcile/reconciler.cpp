#include "control/reconcile/reconciler.hpp"

#include <algorithm>
#include <unordered_map>

#include "base/log.hpp"
#include "base/metrics.hpp"
#include "control/lifecycle/fields.hpp"
#include "control/reconcile/fault_point.hpp"
#include "control/secrets/random.hpp"
#include "control/store/changes.hpp"
#include "control/store/keeping.hpp"
#include "control/store/now.hpp"
#include "control/store/operations.hpp"

namespace envgate::control {
namespace {

using std::chrono::milliseconds;
using store::Desired;
using store::Transaction;

constexpr unsigned kWorkers = 32;  // most of them wait: for an engine, or for something to do
constexpr char kLook[] = "look ";  // before an engine's key, in the queue; no environment's id has a blank
constexpr long long kKeptChanges = 10'000;
constexpr std::chrono::hours kOperationsKept{24 * 30}, kAnswersKept{24};

metrics::Counter& passes(const char* result) {
  return metrics::counter("envgate_control_passes_total", "Passes over an environment.",
                          {{"result", result}});
}

// Doubling, and spread by half, so that what failed together does not come again together.
milliseconds backoff(const ControlSettings& settings, unsigned attempts) {
  const auto& r = settings.control.reconcile;
  const auto grown = r.retry_first * (1LL << std::min(attempts, 20u));
  const auto most = std::min<milliseconds>(grown, r.retry_most);
  return most / 2 + milliseconds(secrets::random_below(static_cast<std::uint32_t>(most.count() / 2 + 1)));
}

bool differs(const store::Living& e, const backends::Observed* seen) {
  const bool runs = seen && seen->state == backends::State::running;
  if (e.desired == Desired::stopped) return runs;
  if (e.desired == Desired::deleted) return true;
  return !runs || seen->instance != e.instance ||
         seen->generation != static_cast<std::uint64_t>(e.generation) ||
         (seen->address ? seen->address->to_string() : "") != e.address || e.state != store::State::running;
}

// As far as the row says: what is there is compared by the first look.
bool settled(const store::Living& e) {
  const bool as_wanted = (e.desired == Desired::running && e.state == store::State::running) ||
                         (e.desired == Desired::stopped && e.state == store::State::stopped);
  return as_wanted && !e.open;
}

}  // namespace

Reconciler::Reconciler(store::Database& database, const secrets::SecretBox& box,
                       const ControlSettings& settings, const Engines& engines,
                       std::function<void()> committed, std::function<void()> before_look)
    : database_(database),
      settings_(settings),
      engines_(engines),
      token_(secrets::make_id()),
      committed_(std::move(committed)),
      before_look_(std::move(before_look)),
      pass_(database, box, settings, engines, token_, committed_) {}

Reconciler::~Reconciler() { stop(); }

Result<void> Reconciler::start() {
  auto living = database_.read(
      [](Transaction& t) -> Result<std::vector<store::Living>> { return store::living_environments(t); });
  if (!living) return Failure(living.error());
  for (const EnginePtr& engine : engines_.all()) queue_.set_limit(engine->key, engine->concurrency);
  for (const store::Living& one : *living) {
    const std::string key = Engines::key_of(one.backend, one.node);
    if (!settled(one) || !engines_.find(key)) queue_.nudge(one.id, key);
  }
  for (unsigned i = 0; i < kWorkers; ++i) threads_.emplace_back([this] { work(); });
  threads_.emplace_back([this] { watch(); });
  threads_.emplace_back([this] { keep_claims(); });
  return {};
}

void Reconciler::stop() {
  stopping_.request_stop();
  queue_.close();
  {
    const std::lock_guard lock(mutex_);
    for (auto& [id, pass] : passes_) pass.request_stop();
  }
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

void Reconciler::work() {
  while (auto item = queue_.take()) {
    if (item->id.starts_with(kLook))
      look(*item);
    else
      one(*item);
  }
}

void Reconciler::look(const Queue::Item& item) {
  if (const EnginePtr engine = engines_.find(item.id.substr(std::size(kLook) - 1))) compare(*engine);
  queue_.done(item);
}

void Reconciler::one(const Queue::Item& item) {
  static auto& settled = passes("settled");
  static auto& again = passes("again");
  static auto& retry = passes("retry");
  static auto& busy = passes("busy");
  std::stop_source stop;
  {
    const std::lock_guard lock(mutex_);
    passes_[item.id] = stop;
  }
  if (stopping_.stop_requested()) stop.request_stop();
  const Pass::Outcome outcome = pass_.run(item.id, stop.get_token());
  {
    const std::lock_guard lock(mutex_);
    passes_.erase(item.id);
  }
  switch (outcome) {
    case Pass::Outcome::settled: settled.add(); return queue_.done(item);
    case Pass::Outcome::again: again.add(); return queue_.again(item, milliseconds(0));
    case Pass::Outcome::retry: retry.add(); return queue_.again(item, backoff(settings_, item.attempts));
    case Pass::Outcome::busy: busy.add(); return queue_.again(item, settings_.control.reconcile.claim / 2);
  }
}

void Reconciler::resync_soon() {
  const std::lock_guard lock(mutex_);
  resync_now_ = true;
  wake_.notify_all();
}

void Reconciler::watch() {
  const std::stop_token stop = stopping_.get_token();
  std::map<std::string, std::chrono::steady_clock::time_point> next_look;
  while (!stop.stop_requested()) {
    before_look_();
    const auto now = std::chrono::steady_clock::now();
    const std::vector<EnginePtr> engines = engines_.all();
    for (const EnginePtr& engine : engines) {
      queue_.set_limit(engine->key, engine->concurrency);
      auto& next = next_look[engine->key];
      if (now < next) continue;
      next = now + engine->resync;
      queue_.nudge_if_idle(kLook + engine->key, kLook + engine->key);
    }
    forget_health(engines);
    tidy();
    std::unique_lock lock(mutex_);
    wake_.wait_for(lock, stop, settings_.control.reconcile.resync, [this] { return resync_now_; });
    resync_now_ = false;
  }
}

// The list first, then the rows: a thing is only made after its row, so that one without a row is an orphan.
void Reconciler::compare(const Engine& engine) {
  backends::Call call = backends::Call::within(std::chrono::seconds(30));
  call.cancel = stopping_.get_token();
  if (engine.state->cpu_millis == 0) {
    const auto has = engine.backend->capacity(call);
    if (has) engine.state->cpu_millis = static_cast<long long>(has->cpu_millis);
    if (has) engine.state->memory_bytes = static_cast<long long>(has->memory.count);
  }
  const auto listed = engine.backend->list(call);
  if (!listed) {
    if (listed.error().cause != backends::Cause::cancelled) note_health(engine, listed.error().message, 0, 0);
    return;
  }
  std::unordered_map<std::string, const backends::Observed*> seen;
  for (const backends::Observed& one : *listed) seen.emplace(one.environment.str(), &one);
  const auto slash = engine.key.find('/');
  const std::string backend = engine.key.substr(0, slash);
  const std::string node = backend == "physical" ? "" : engine.key.substr(slash + 1);
  const auto rows = database_.read([&](Transaction& t) -> Result<std::vector<store::Living>> {
    return store::living_environments(t, backend, node);
  });
  if (!rows) return log::error("resync_failed").error(rows.error()), void();
  for (const store::Living& e : *rows) {
    const auto found = seen.find(e.id);
    if (differs(e, found == seen.end() ? nullptr : found->second)) queue_.nudge_if_idle(e.id, engine.key);
    if (found != seen.end()) seen.erase(found);
  }
  const auto orphans = database_.read([&](Transaction& t) -> Result<std::vector<routing::EnvId>> {
    std::vector<routing::EnvId> all;
    for (const auto& [id, one] : seen) {
      // An engine that is two nodes by mistake has the other's environments: those are no orphans.
      const auto row = store::find_environment(t, id);
      if (!row || row->state == store::State::deleted) all.push_back(one->environment);
    }
    return all;
  });
  if (!orphans) return log::error("resync_failed").error(orphans.error()), void();
  note_health(engine, "", rows->size(), orphans->size());
  sweep(engine, *orphans);
}

void Reconciler::sweep(const Engine& engine, const std::vector<routing::EnvId>& orphans) {
  static auto& removed = metrics::counter("envgate_control_orphans_removed_total",
                                          "Things with our labels that no environment explained.");
  for (const routing::EnvId& orphan : orphans) {
    log::warn("orphan")
        .environment(orphan.view())
        .text("engine", engine.key)
        .boolean("removed", settings_.control.reconcile.sweep_orphans);
    if (!settings_.control.reconcile.sweep_orphans) continue;
    backends::Call call = backends::Call::within(engine.timeout);
    call.cancel = stopping_.get_token();
    fault_point("backend.sweep.before");
    // Its volumes stay: an operator may still want what is in them.
    const auto gone = engine.backend->destroy(orphan, backends::Volumes::keep, call);
    fault_point("backend.sweep.after");
    if (!gone) {
      log::error("orphan_kept").environment(orphan.view()).text("error", gone.error().message);
      continue;
    }
    removed.add();
    (void)database_.transaction([&](Transaction& t) -> Result<void> {
      store::append_event(t, orphan.str(), "orphan_removed", write_json({{"engine", engine.key}}));
      return {};
    });
    committed_();
  }
}

void Reconciler::note_health(const Engine& engine, const std::string& error, std::size_t environments,
                             std::size_t orphans) {
  bool came_back = false, went = false;
  {
    const std::lock_guard lock(mutex_);
    auto [entry, fresh] = health_.try_emplace(engine.key);
    EngineHealth& health = entry->second;
    came_back = error.empty() && !health.answers;
    went = !error.empty() && (health.answers || fresh);
    health.answers = engine.state->answers = error.empty();
    health.error = error;
    if (error.empty()) health.environments = environments, health.orphans = orphans;
  }
  if (went) log::error("engine_away").text("engine", engine.key).text("error", error);
  if (!came_back) return;
  log::info("engine_back").text("engine", engine.key);
  queue_.nudge_waiting(engine.key);
}

void Reconciler::forget_health(const std::vector<EnginePtr>& living) {
  const std::lock_guard lock(mutex_);
  std::erase_if(health_, [&](const auto& entry) {
    return std::none_of(living.begin(), living.end(),
                        [&](const EnginePtr& engine) { return engine->key == entry.first; });
  });
}

std::map<std::string, Reconciler::EngineHealth> Reconciler::health() const {
  const std::lock_guard lock(mutex_);
  return health_;
}

void Reconciler::keep_claims() {
  const std::stop_token stop = stopping_.get_token();
  const auto lifetime = settings_.control.reconcile.claim;
  while (!stop.stop_requested()) {
    std::vector<std::pair<std::string, std::stop_source>> going;
    {
      std::unique_lock lock(mutex_);
      wake_.wait_for(lock, stop, lifetime / 3, [] { return false; });
      going.assign(passes_.begin(), passes_.end());
    }
    if (going.empty() || stop.stop_requested()) continue;
    (void)database_.transaction([&](Transaction& t) -> Result<void> {
      for (auto& [id, pass] : going)
        if (store::holds_claim(t, id, token_)) (void)store::claim(t, id, token_, lifetime);
      return {};
    });
  }
}

void Reconciler::tidy() {
  (void)database_.transaction(
      [&](Transaction& t) -> Result<void> {
        const long long now = store::now_ms();
        store::cut_changes(t, kKeptChanges);
        store::forget_operations(t, now - milliseconds(kOperationsKept).count());
        store::forget_answers(t, now - milliseconds(kAnswersKept).count());
        return {};
      },
      store::Priority::background);
}

}  // namespace envgate::control
