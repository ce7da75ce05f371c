// Which environment is worked on next: each at most once at a time, when it is due, and no more at once for
// one engine than it may have. What is nudged while it is worked on comes again at once. Thread: any.
#pragma once

#include <chrono>
#include <climits>
#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>

namespace envgate::control {

class Queue {
 public:
  using Clock = std::chrono::steady_clock;
  struct Item {
    std::string id, engine;
    unsigned attempts = 0;  // failures in a row
  };

  // Due now, whatever it waited for.
  void nudge(const std::string& id, const std::string& engine);
  // The same, but what waits after a failure goes on waiting, and what is worked on is let be.
  void nudge_if_idle(const std::string& id, const std::string& engine);
  // All of this engine that wait after a failure are due now: it has come back.
  void nudge_waiting(const std::string& engine);
  void set_limit(const std::string& engine, unsigned most);

  // Waits for one that is due; nothing after close().
  std::optional<Item> take();
  void done(const Item& item);                                    // nothing more to do for now
  void again(const Item& item, std::chrono::milliseconds after);  // a failure: attempts grows
  void close();

  // Its place among those of its engine that wait; 0: it does not, or is worked on.
  std::size_t position(const std::string& id) const;
  std::size_t waiting() const;
  std::size_t working() const;

 private:
  struct Entry {
    std::string engine;
    Clock::time_point due{};
    unsigned attempts = 0;
    bool working = false;
    bool nudged = false;  // while it is worked on
  };
  struct Lane {  // of one engine
    std::set<std::pair<Clock::time_point, std::string>> due;
    unsigned working = 0, most = UINT_MAX;
  };
  void schedule(const std::string& id, Entry& entry, const std::string& engine, Clock::time_point due);
  void finish(const Item& item, std::optional<Clock::time_point> next, unsigned attempts);
  Lane* next_lane();  // the one that is due first of those with room; null: none

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::unordered_map<std::string, Entry> entries_;
  std::map<std::string, Lane> lanes_;
  std::size_t in_work_ = 0;
  bool closed_ = false;
};

}  // namespace envgate::control
