#include "gateway/ssh/recorder/core.hpp"

#include <pthread.h>

#include <algorithm>
#include <cerrno>

#include "base/log.hpp"
#include "base/metrics.hpp"
#include "gateway/ssh/recorder/prune.hpp"

namespace envgate::ssh::recorder {
namespace {

using std::chrono::steady_clock;

constexpr std::chrono::milliseconds kTick{500};  // blocks end at most so much late
constexpr std::chrono::seconds kHouse{2};        // between two looks at the disk
constexpr std::chrono::seconds kPrune{60};
constexpr std::size_t kUnwrittenMost = 10'000;  // entries; what is dropped is closed at the next start

struct Metrics {
  metrics::Counter& failures = metrics::counter(
      "envgate_record_failures_total", "Records of sessions that could not be written to their end.");
  metrics::Counter& unrecorded =
      metrics::counter("envgate_record_events_lost_total",
                       "Events of sessions that went on without their record (on_failure: continue).");
  metrics::Counter& pruned =
      metrics::counter("envgate_records_removed_total", "Files of records removed for their age or size.");
  metrics::Gauge& backlog =
      metrics::gauge("envgate_record_backlog_bytes", "What waits to be written into records.");
  metrics::Gauge& open = metrics::gauge("envgate_records_open", "Sessions that are being recorded.");
  metrics::Gauge& free = metrics::gauge("envgate_records_free_bytes", "Room on the disk of the records.");
};

Metrics& the_metrics() {
  static Metrics metrics;
  return metrics;
}

struct Size {
  std::size_t operator()(const monitor::TerminalBegan& e) const { return e.term.size() + e.command.size(); }
  std::size_t operator()(const monitor::CommandBegan& e) const { return e.kind.size() + e.command.size(); }
  std::size_t operator()(const monitor::Output& e) const { return e.bytes.size(); }
  std::size_t operator()(const monitor::Resized&) const { return 0; }
  std::size_t operator()(const monitor::Exited& e) const { return e.signal.size(); }
  std::size_t operator()(const monitor::ChannelEnded&) const { return 0; }
  std::size_t operator()(const monitor::FileMoved& e) const {
    return e.operation.size() + e.path.size() + e.to_path.size() + e.result.size() + e.sha256.size();
  }
  std::size_t operator()(const monitor::Forwarded& e) const { return e.kind.size() + e.destination.size(); }
  std::size_t operator()(const monitor::Refused& e) const { return e.what.size() + e.detail.size(); }
};

record::RetentionPolicy policy_of(const Options& options) {
  record::RetentionPolicy policy;
  if (options.max_age.count() > 0)
    policy.most_age = std::chrono::duration_cast<std::chrono::seconds>(options.max_age);
  if (options.max_bytes.count > 0) policy.most_bytes = options.max_bytes.count;
  return policy;
}

}  // namespace

std::size_t cost_of(const monitor::RecordEvent& event) { return sizeof(Item) + std::visit(Size(), event); }

// ---- SessionState ----

void SessionState::tell(const Notice& notice) {
  const std::lock_guard lock(mutex_);
  if (notify_) notify_(notice);
}

void SessionState::silence() {
  const std::lock_guard lock(mutex_);
  notify_ = nullptr;
}

// ---- from any thread ----

Core::Core(const Options& options, std::optional<record::SigningKey> key, Fd lock)
    : options_(options), disk_(options.directory), lock_(std::move(lock)) {
  desk_.directory = options.directory;
  desk_.key = std::move(key);
  set(options);
  disk_.set_min_free(options.min_free.count);
  disk_.look();
  trouble_ = disk_.trouble();
}

void Core::start() {
  thread_ = std::thread([this] { run(); });
  ::pthread_setname_np(thread_.native_handle(), "envgate-record");
}

void Core::stop() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  arrived_.notify_one();
  if (thread_.joinable()) thread_.join();
}

bool Core::push(Item item) {
  bool first = false;
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return false;
    if (const auto* const begin = std::get_if<Begin>(&item))
      open_.emplace(begin->opening.facts.session, begin->opening.number);
    first = items_.empty();
    items_.push_back(std::move(item));
  }
  if (first) arrived_.notify_one();
  return true;
}

Result<void> Core::can_start() const {
  if (goes_on()) return {};
  const std::size_t waiting = backlog.load(std::memory_order_relaxed);
  if (waiting > kBacklogMost)
    return fail("the disk of the records is too slow: " + std::to_string(waiting >> 20) +
                " MiB wait to be written");
  const std::lock_guard lock(mutex_);
  if (closed_) return fail("the gateway is ending");
  return trouble_ ? Result<void>(fail(*trouble_)) : Result<void>();
}

void Core::lost() { the_metrics().unrecorded.add(); }

void Core::set(const Options& options) {
  const std::lock_guard lock(mutex_);
  options_ = options;
  goes_on_.store(options.on_failure == gateway::OnRecordFailure::go_on, std::memory_order_relaxed);
}

Options Core::options() const {
  const std::lock_guard lock(mutex_);
  return options_;
}

std::optional<std::uint64_t> Core::number_of(const std::string& id) const {
  const std::lock_guard lock(mutex_);
  const auto found = open_.find(id);
  return found == open_.end() ? std::nullopt : std::optional(found->second);
}

std::shared_ptr<Watch> Core::subscribe(const std::string& id, std::function<void()> ready) {
  auto watch = std::make_shared<Watch>(std::move(ready));
  {
    const std::lock_guard lock(mutex_);
    std::erase_if(watchers_, [](const std::weak_ptr<Watch>& one) {
      const auto alive = one.lock();
      return !alive || alive->closed();
    });
    if (watchers_.size() >= kWatchersMost) return nullptr;
    watchers_.push_back(watch);
  }
  if (!push(Subscribe{id, watch})) watch->put({Watched::Kind::ended, 0, "the gateway is ending", 0, 0, 0});
  return watch;
}

// ---- the thread ----

void Core::run() {
  const auto closed = close_cut_off(desk_.directory);
  if (!closed) disk_.failed(closed.error());
  if (closed && *closed > 0)
    log::warn("records_cut_off").number("sessions", static_cast<std::int64_t>(*closed));
  for (bool ending = false; !ending;) {
    if (steady_clock::now() >= next_house_) keep_house();
    std::vector<Item> batch;
    {
      std::unique_lock lock(mutex_);
      const auto until = steady_clock::now() + (sessions_.empty() ? kHouse : kTick);
      arrived_.wait_until(lock, until, [this] { return closed_ || !items_.empty(); });
      ending = closed_;
      batch.swap(items_);
    }
    for (Item& item : batch) std::visit([this](auto& one) { on(one); }, item);
    if (steady_clock::now() >= next_tick_) tick();
  }
  for (auto& [id, session] : sessions_) finish(*session, "the gateway has stopped", steady_clock::now());
  sessions_.clear();
}

void Core::on(Begin& item) {
  IndexEntry entry;
  entry.facts = std::move(item.opening.facts);
  entry.number = item.opening.number;
  desk_.max_output = options().max_output.count;
  SessionState& session = *item.session;
  session.writer = std::make_unique<SessionWriter>(desk_, std::move(entry), item.recording, item.at);
  if (!is_id(session.id) || !sessions_.emplace(session.id, item.session).second) {
    fails(session, {"'" + session.id + "' is no new id of a session", EPROTO});
    session.writer.reset();
    const std::lock_guard lock(mutex_);
    if (!sessions_.contains(session.id)) open_.erase(session.id);
    return;
  }
  the_metrics().open.set(static_cast<std::int64_t>(sessions_.size()));
  if (auto begun = session.writer->begin(); !begun) fails(session, begun.error());
}

void Core::on(Event& item) {
  SessionState& session = *item.session;
  if (session.writer && !session.failed && !session.unrecorded) {
    if (auto taken = session.writer->take(item.event, item.at); !taken) fails(session, taken.error());
  } else if (session.unrecorded) {
    lost();
  }
  backlog.fetch_sub(item.cost, std::memory_order_relaxed);
  const std::size_t left = session.outstanding.fetch_sub(item.cost, std::memory_order_seq_cst) - item.cost;
  if (left <= kHandleLow && session.full.exchange(false, std::memory_order_seq_cst))
    session.tell({Notice::What::low, {}});
}

void Core::fails(SessionState& session, const Error& error) {
  const bool violation = error.code == EPROTO;
  const bool go_on = !violation && goes_on();
  if (!violation) {
    disk_.failed(error);
    const std::lock_guard lock(mutex_);
    trouble_ = disk_.trouble();
  }
  session.writer->entry().incomplete = error.message;
  the_metrics().failures.add();
  log::error("record_failed")
      .environment(session.writer->entry().facts.environment)
      .text("record", session.id)
      .error(error)
      .text("consequence", go_on ? "the session goes on, and is not recorded" : "the session is ended");
  (go_on ? session.unrecorded : session.failed).store(true, std::memory_order_release);
  if (!go_on) session.tell({Notice::What::failed, error.message});
}

void Core::on(Close& item) {
  const auto found = sessions_.find(item.session->id);
  if (found == sessions_.end() || found->second != item.session) return;
  finish(*item.session, item.reason, item.at);
  sessions_.erase(found);
  the_metrics().open.set(static_cast<std::int64_t>(sessions_.size()));
}

void Core::finish(SessionState& session, const std::string& reason, SteadyTime at) {
  SessionWriter& writer = *session.writer;
  auto ended = writer.end(at);
  if (!ended && !session.failed && !session.unrecorded) fails(session, ended.error());
  IndexEntry& entry = writer.entry();
  entry.ended = std::chrono::system_clock::now();
  entry.reason = reason;
  if (session.failed && entry.incomplete.empty())
    entry.incomplete = "more than " + std::to_string(kHandleMost >> 20) + " MiB waited to be written";
  write_final(entry);
  {
    const std::lock_guard lock(mutex_);
    open_.erase(session.id);
  }
  writer.screens().ended(reason);  // last: who is told finds it ended
  session.writer.reset();
}

void Core::write_final(IndexEntry entry) {
  const auto written = write_entry(desk_.directory, entry, Durable::yes);
  if (written) return;
  disk_.failed(written.error());
  if (unwritten_.size() < kUnwrittenMost) unwritten_.push_back(std::move(entry));
}

void Core::on(Subscribe& item) {
  const auto found = sessions_.find(item.id);
  if (found == sessions_.end())
    item.watch->put({Watched::Kind::ended, 0, "it is not open", 0, 0, 0});
  else
    found->second->writer->screens().watch(std::move(item.watch));
}

void Core::tick() {
  const auto now = steady_clock::now();
  next_tick_ = now + kTick;
  for (auto& [id, session] : sessions_) {
    session->writer->screens().forget_closed();
    if (session->failed || session->unrecorded) continue;
    if (auto ticked = session->writer->tick(now); !ticked) fails(*session, ticked.error());
  }
  the_metrics().backlog.set(static_cast<std::int64_t>(backlog.load(std::memory_order_relaxed)));
}

void Core::keep_house() {
  next_house_ = steady_clock::now() + kHouse;
  const Options options = this->options();
  if (steady_clock::now() >= next_prune_) {
    next_prune_ = steady_clock::now() + kPrune;
    const auto is_open = [this](const std::string& id) { return sessions_.contains(id); };
    const auto removed =
        prune(desk_.directory, policy_of(options), is_open, std::chrono::system_clock::now());
    if (!removed) log::error("records_not_removed").error(removed.error());
    if (removed && *removed > 0) {
      the_metrics().pruned.add(*removed);
      log::info("records_removed").number("files", static_cast<std::int64_t>(*removed));
    }
  }
  disk_.set_min_free(options.min_free.count);
  disk_.look();
  the_metrics().free.set(static_cast<std::int64_t>(disk_.free_bytes()));
  while (!unwritten_.empty() && write_entry(desk_.directory, unwritten_.front(), Durable::yes))
    unwritten_.pop_front();
  const std::lock_guard lock(mutex_);
  trouble_ = disk_.trouble();
}

}  // namespace envgate::ssh::recorder
