// Keeps the records of audited SSH sessions. One thread does everything that touches a disk, so that no
// reactor waits for one: workers hand it events and go on.
//
//   worker      Recorder::open -> Handle; write() each event; close()        never blocks
//   recorder    files (SessionWriter), blocks that are due, index, retention, disk (Disk), watchers
//
// What waits is bounded: a handle says `full` above kHandleHigh, and its session's owner stops reading until
// it is told `low`; when all together are above kBacklogMost, no new session may start. A record that fails
// ends its session (audit.records.on_failure: stop) or leaves it going on unrecorded, which the log and a
// metric say. Records are closed by the thread's end; what a kill -9 leaves is closed at the next start.
//
// Requires: processes that are forked without exec are forked before start(), since they would keep the locks
// of open records.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "gateway/settings.hpp"
#include "gateway/ssh/monitor/policy.hpp"
#include "gateway/ssh/monitor/record_event.hpp"
#include "gateway/ssh/recorder/watch.hpp"
#include "record/session_facts.hpp"
#include "record/signing_key.hpp"

namespace envgate::ssh::recorder {

using Options = gateway::GatewaySettings::Audit::Records;

inline constexpr std::size_t kHandleHigh = 512 * 1024;   // bytes waiting of one session; above it: full
inline constexpr std::size_t kHandleLow = 64 * 1024;     // then, at or below it: low
inline constexpr std::size_t kHandleMost = 8u << 20;     // whose owner goes on all the same has failed
inline constexpr std::size_t kBacklogMost = 128u << 20;  // of all; above it each is full above kHandleLow

// What the settings say is recorded of a session; a policy may ask for less.
monitor::Recording recording_of(const Options& options);

struct Notice {
  enum class What : std::uint8_t {
    low,     // write() has said `full`; now there is room
    failed,  // the session must end; write() takes nothing any more
  };
  What what = What::low;
  std::string why;
};
// Called on the recorder's thread; short, such as Reactor::post. Never under way nor called after close().
using Notify = std::function<void(const Notice&)>;

struct Opening {
  record::SessionFacts facts;  // `session` is an id (index.hpp: new_id) that was never used before
  std::uint64_t number = 0;    // the gateway's own of this session (Session::id): envctl session kill
};

enum class Written : std::uint8_t {
  good,
  full,    // taken; stop reading from the session until `low` is told
  failed,  // not taken: end the session
};

class Core;
class SessionState;

// One session's record. Thread: one, its worker's.
class Handle {
 public:
  Handle() = default;
  Handle(Handle&&) noexcept = default;
  Handle& operator=(Handle&& other) noexcept;
  ~Handle() { close("abandoned"); }

  Written write(monitor::RecordEvent event, std::chrono::steady_clock::time_point at);
  std::size_t outstanding() const;  // bytes that wait to be written
  void close(std::string reason);   // idempotent; what was written before is kept
  explicit operator bool() const { return state_ != nullptr; }

 private:
  friend class Recorder;
  std::shared_ptr<Core> core_;
  std::shared_ptr<SessionState> state_;
};

class Recorder {
 public:
  // Makes the folder (0700; its parent must be there) and the key, takes the folder for itself, starts the
  // thread. SIGXFSZ is ignored from here on. Errors: with the remedy.
  static Result<std::unique_ptr<Recorder>> start(const Options& options);
  ~Recorder();
  // Ends every record that is open, and the thread. Idempotent. Requires: no worker runs that has a handle.
  void stop();

  // ---- Thread: any ----
  // Whether an audited session may start now. Errors: why not, for the log; the customer is told only that.
  // Always yes with on_failure: continue.
  Result<void> can_start() const;
  Handle open(Opening opening, const monitor::Recording& recording, Notify notify);
  void set(const Options& options);  // all but directory and key_file are taken up

  // ---- for the admin API; Thread: any ----
  std::string directory() const;
  std::optional<record::PublicKey> public_key() const;
  bool is_open(const std::string& id) const;
  std::optional<std::uint64_t> number_of(const std::string& id) const;  // nothing: not open
  // `ready` is called on the recorder's thread when there is something to take. Null: kWatchersMost are
  // there. A session that is not open ends at once.
  std::shared_ptr<Watch> subscribe(const std::string& id, std::function<void()> ready);

 private:
  explicit Recorder(std::shared_ptr<Core> core) : core_(std::move(core)) {}
  std::shared_ptr<Core> core_;
};

}  // namespace envgate::ssh::recorder
