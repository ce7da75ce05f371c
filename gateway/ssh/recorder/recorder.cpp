#include "gateway/ssh/recorder/recorder.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <cerrno>
#include <csignal>

#include "gateway/ssh/recorder/core.hpp"

namespace envgate::ssh::recorder {
namespace {

// Two that record into one folder would take each other's sessions for cut off.
Result<Fd> take_folder(const std::string& directory) {
  if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST)
    return fail_errno("audit.records.directory: make " + directory, errno);
  const std::string path = directory + "/.lock";
  Fd lock(::open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!lock) return fail_errno("audit.records.directory: create " + path, errno);
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0)
    return fail(
        "audit.records.directory: another gateway records into " + directory + ": give each its own folder",
        errno);
  return lock;
}

}  // namespace

monitor::Recording recording_of(const Options& options) {
  monitor::Recording out;
  out.input = options.input;
  out.exec_output = options.exec_output.count;
  return out;
}

// ---- Handle ----

Handle& Handle::operator=(Handle&& other) noexcept {
  close("abandoned");
  core_ = std::move(other.core_);
  state_ = std::move(other.state_);
  return *this;
}

std::size_t Handle::outstanding() const {
  return state_ ? state_->outstanding.load(std::memory_order_relaxed) : 0;
}

Written Handle::write(monitor::RecordEvent event, std::chrono::steady_clock::time_point at) {
  if (!state_ || state_->failed.load(std::memory_order_acquire)) return Written::failed;
  if (state_->unrecorded.load(std::memory_order_relaxed)) {
    core_->lost();
    return Written::good;
  }
  const std::size_t cost = cost_of(event);
  const std::size_t high =
      core_->backlog.load(std::memory_order_relaxed) > kBacklogMost ? kHandleLow : kHandleHigh;
  const std::size_t waiting = state_->outstanding.load(std::memory_order_relaxed) + cost;
  if (waiting > kHandleMost) {
    state_->failed.store(true, std::memory_order_release);
    return Written::failed;
  }
  // Before the event is on its way: the thread looks at it after having taken an event, and so cannot miss
  // it.
  if (waiting > high) state_->full.store(true, std::memory_order_seq_cst);
  state_->outstanding.fetch_add(cost, std::memory_order_seq_cst);
  core_->backlog.fetch_add(cost, std::memory_order_relaxed);
  if (!core_->push(Event{state_, std::move(event), at, cost})) {
    state_->outstanding.fetch_sub(cost, std::memory_order_relaxed);
    core_->backlog.fetch_sub(cost, std::memory_order_relaxed);
    return Written::failed;
  }
  return waiting > high ? Written::full : Written::good;
}

void Handle::close(std::string reason) {
  if (!state_) return;
  state_->silence();
  core_->push(Close{std::exchange(state_, nullptr), std::move(reason), std::chrono::steady_clock::now()});
  core_.reset();
}

// ---- Recorder ----

Result<std::unique_ptr<Recorder>> Recorder::start(const Options& options) {
  auto lock = take_folder(options.directory);
  if (!lock) return tl::unexpected(lock.error());
  std::optional<record::SigningKey> key;
  if (!options.key_file.empty()) {
    auto opened = record::SigningKey::open(options.key_file, true);
    if (!opened) return fail("audit.records.key_file: " + opened.error().message, opened.error().code);
    key = *opened;
  }
  std::signal(SIGXFSZ, SIG_IGN);
  auto core = std::make_shared<Core>(options, std::move(key), std::move(*lock));
  core->start();
  return std::unique_ptr<Recorder>(new Recorder(std::move(core)));
}

Recorder::~Recorder() { stop(); }
void Recorder::stop() { core_->stop(); }

Result<void> Recorder::can_start() const { return core_->can_start(); }

Handle Recorder::open(Opening opening, const monitor::Recording& recording, Notify notify) {
  Handle handle;
  handle.core_ = core_;
  handle.state_ = std::make_shared<SessionState>(opening.facts.session, std::move(notify));
  if (!core_->push(Begin{handle.state_, std::move(opening), recording, std::chrono::steady_clock::now()}))
    handle.state_->failed.store(true, std::memory_order_release);
  return handle;
}

void Recorder::set(const Options& options) { core_->set(options); }
std::string Recorder::directory() const { return core_->directory(); }

std::optional<record::PublicKey> Recorder::public_key() const {
  if (!core_->key()) return std::nullopt;
  return core_->key()->public_key();
}

bool Recorder::is_open(const std::string& id) const { return core_->number_of(id).has_value(); }

std::optional<std::uint64_t> Recorder::number_of(const std::string& id) const { return core_->number_of(id); }

std::shared_ptr<Watch> Recorder::subscribe(const std::string& id, std::function<void()> ready) {
  return core_->subscribe(id, std::move(ready));
}

}  // namespace envgate::ssh::recorder
