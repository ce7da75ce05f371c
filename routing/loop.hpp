// The routing thread's own small event loop over poll(2): a handful of file descriptors (Redis, inotify),
// timers, and a mailbox for other threads. It is not the gateway's reactor, which carries the traffic.
// Thread: run() and everything else on one thread, but for post() and stop(), which any may call.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <utility>
#include <vector>

struct pollfd;

namespace envgate::routing {

class Loop {
 public:
  using Clock = std::chrono::steady_clock;
  using Time = Clock::time_point;
  using TimerId = std::uint64_t;  // 0: none

  Loop();
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // `events` as for poll(2), level-triggered; errors and hang-ups are always reported. One watch a
  // descriptor: a second call replaces the first. Requires: unwatch() before the descriptor is closed.
  void watch(int fd, short events, std::function<void(short)> ready);
  void unwatch(int fd);

  TimerId after(std::chrono::nanoseconds delay, std::function<void()> due);
  void cancel(TimerId& timer);  // sets it to 0; nothing happens if it is 0 or has run

  // False once the loop is closed; then `work` is not taken.
  bool post(std::function<void()> work);
  // Runs what is in the mailbox for the last time, and takes no more. Thread: the loop's, after run().
  void close();
  // Runs at the end of every turn, when descriptors, mail and timers have had theirs. Returns how long the
  // next turn may wait at most.
  void set_turn_end(std::function<std::chrono::milliseconds()> turn_end) { turn_end_ = std::move(turn_end); }

  void run();
  void stop();
  Time now() const { return now_; }  // at the start of this turn's work

 private:
  struct Watch {
    short events;
    std::uint64_t serial;
    std::shared_ptr<std::function<void(short)>> ready;
  };
  void turn(int timeout_ms);
  void run_ready(const std::vector<pollfd>& ready, const std::vector<std::uint64_t>& serials);
  void run_mail();
  void run_timers();
  int wait_ms(std::chrono::milliseconds at_most) const;

  int wake_fd_;
  std::unordered_map<int, Watch> watches_;
  std::uint64_t serial_ = 0;
  std::map<std::pair<Time, TimerId>, std::function<void()>> timers_;
  std::unordered_map<TimerId, Time> due_;
  std::function<std::chrono::milliseconds()> turn_end_;
  Time now_ = Clock::now();
  bool stopping_ = false;
  std::mutex mutex_;  // the mailbox
  std::vector<std::function<void()>> mail_;
  bool closed_ = false;
};

}  // namespace envgate::routing
