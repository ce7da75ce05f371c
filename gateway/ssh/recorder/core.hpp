// What stands behind Recorder and its handles: the queue between workers and the recorder's thread, and that
// thread. Handles share it, so that one which outlives the recorder finds a queue that is closed.
#pragma once

#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <thread>
#include <variant>
#include <vector>

#include "base/fd.hpp"
#include "gateway/ssh/recorder/disk.hpp"
#include "gateway/ssh/recorder/recorder.hpp"
#include "gateway/ssh/recorder/session_writer.hpp"

namespace envgate::ssh::recorder {

// One session, as its handle and the recorder's thread share it.
class SessionState {
 public:
  SessionState(std::string of, Notify notify) : id(std::move(of)), notify_(std::move(notify)) {}

  const std::string id;
  std::atomic<std::size_t> outstanding{0};
  std::atomic<bool> full{false};        // was said, and `low` is owed
  std::atomic<bool> failed{false};      // and the session has to end
  std::atomic<bool> unrecorded{false};  // failed, but the session may go on

  void tell(const Notice& notice);
  void silence();  // see Notify

  std::unique_ptr<SessionWriter> writer;  // the recorder's thread's; null: not begun, or ended

 private:
  std::mutex mutex_;
  Notify notify_;
};

using SessionPtr = std::shared_ptr<SessionState>;

struct Begin {
  SessionPtr session;
  Opening opening;
  monitor::Recording recording;
  SteadyTime at;
};
struct Event {
  SessionPtr session;
  monitor::RecordEvent event;
  SteadyTime at;
  std::size_t cost = 0;
};
struct Close {
  SessionPtr session;
  std::string reason;
  SteadyTime at;
};
struct Subscribe {
  std::string id;
  std::shared_ptr<Watch> watch;
};
using Item = std::variant<Begin, Event, Close, Subscribe>;

class Core {
 public:
  Core(const Options& options, std::optional<record::SigningKey> key, Fd lock);

  void start();
  void stop();

  // ---- Thread: any ----
  bool push(Item item);  // false: it is closed
  Result<void> can_start() const;
  void set(const Options& options);
  std::shared_ptr<Watch> subscribe(const std::string& id, std::function<void()> ready);
  std::optional<std::uint64_t> number_of(const std::string& id) const;
  const std::string& directory() const { return desk_.directory; }
  const std::optional<record::SigningKey>& key() const { return desk_.key; }
  void lost();  // an event was not recorded, and its session goes on
  bool goes_on() const { return goes_on_.load(std::memory_order_relaxed); }

  std::atomic<std::size_t> backlog{0};  // bytes of all sessions

 private:
  void run();
  void on(Begin& item);
  void on(Event& item);
  void on(Close& item);
  void on(Subscribe& item);
  void finish(SessionState& session, const std::string& reason, SteadyTime at);
  void write_final(IndexEntry entry);
  void fails(SessionState& session, const Error& error);
  void tick();
  void keep_house();  // disk, entries that could not be written, retention
  Options options() const;

  mutable std::mutex mutex_;  // items_, closed_, options_, trouble_, open_, watchers_
  std::condition_variable arrived_;
  std::vector<Item> items_;
  bool closed_ = false;
  Options options_;
  std::optional<std::string> trouble_;
  std::map<std::string, std::uint64_t> open_;  // id -> number
  std::vector<std::weak_ptr<Watch>> watchers_;
  std::atomic<bool> goes_on_{false};

  // The thread's own.
  Desk desk_;
  Disk disk_;
  std::map<std::string, SessionPtr> sessions_;
  std::deque<IndexEntry> unwritten_;  // final entries that the disk has refused
  SteadyTime next_tick_{}, next_house_{}, next_prune_{};
  const Fd lock_;
  std::thread thread_;
};

std::size_t cost_of(const monitor::RecordEvent& event);  // bytes of memory

}  // namespace envgate::ssh::recorder
