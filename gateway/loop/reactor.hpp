// The reactor: one epoll, one thread, and everything that lives on it. Its turn is: wait, deliver events,
// fire timers, run what other threads posted, run what asked to run later, then the turn's ends (one write
// per HTTP/2 session).
//
// An fd is registered once, edge-triggered, for both directions (Watch); epoll_ctl is called again only for
// one that keeps waking in vain. An event carries the slot's generation, so that one which was already
// fetched for a closed fd is dropped.
//
// Thread: all of it belongs to the thread in run(); `post` and `stop` are the only doors from other threads.
#pragma once

#include <atomic>
#include <coroutine>
#include <cstdint>
#include <functional>
#include <mutex>
#include <vector>

#include "base/result.hpp"
#include "gateway/loop/timer_wheel.hpp"

struct epoll_event;

namespace envgate::loop {

class Reactor;
class Watch;

// Something that waits for a Watch. `ready` runs on the reactor when the direction may make progress; it
// decides whether to go on waiting (stays armed) or is done (disarms itself first).
class Waiter {
 public:
  virtual void ready() = 0;

 protected:
  ~Waiter() = default;
};

enum class Direction : std::uint8_t { read, write };

// One fd's readiness. A direction counts as ready until a system call has said EAGAIN, or was short where
// that means the same; the caller says so with `clear`. After a FIN (EPOLLRDHUP) or an error the read
// direction stays ready for ever, since a short read must then not hide the end of the stream.
//
// A peer that goes on sending while its bytes are not read, because the other side is slow, would wake the
// reactor for each segment. After two such wake-ups the read direction is taken out of the epoll until it is
// cleared or armed; the end of the stream is told all the same.
class Watch {
 public:
  Watch() = default;
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;
  ~Watch() { close(); }

  // Owns: does not own `fd`. close() comes just before the fd is closed, which takes it off the epoll: it
  // must be the only descriptor of its file.
  Result<void> open(Reactor& reactor, int fd);
  void close();
  // As close(), for an fd that stays open, in another process too: it is taken off the epoll by a call.
  void detach();
  bool is_open() const { return reactor_ != nullptr; }
  Reactor& reactor() const { return *reactor_; }

  bool ready(Direction d) const { return ready_[index(d)]; }
  void clear(Direction d) {
    if (d == Direction::write || !peer_closed_) ready_[index(d)] = false;
    if (d == Direction::read) listen_again();
  }
  bool peer_closed() const {
    return peer_closed_;
  }  // FIN or error was announced, perhaps with bytes before it

  // One waiter per direction. Arming does not fire at once, even if the direction is ready.
  void arm(Direction d, Waiter& waiter);
  void disarm(Direction d) { waiters_[index(d)] = nullptr; }
  bool armed(Direction d) const { return waiters_[index(d)] != nullptr; }

 private:
  friend class Reactor;
  static std::size_t index(Direction d) { return static_cast<std::size_t>(d); }
  void deliver(std::uint32_t events);
  void unasked();
  void mute(bool on);
  bool control(int operation, bool reads);  // epoll_ctl(2); false: errno
  void listen_again() {
    unasked_ = 0;
    if (muted_) mute(false);
  }

  Reactor* reactor_ = nullptr;
  int fd_ = -1;
  std::uint32_t slot_ = 0;
  bool ready_[2] = {false, false};
  bool peer_closed_ = false;
  bool muted_ = false;
  std::uint8_t unasked_ = 0;  // wake-ups since the last clear(read) that told nobody anything
  Waiter* waiters_[2] = {nullptr, nullptr};
};

// Runs once at the end of the turn in which it was queued; queueing twice is queueing once.
class TurnEnd {
 public:
  TurnEnd() = default;
  TurnEnd(const TurnEnd&) = delete;
  TurnEnd& operator=(const TurnEnd&) = delete;

 protected:
  ~TurnEnd();
  virtual void turn_ended() = 0;

 private:
  friend class Reactor;
  Reactor* queued_on_ = nullptr;
};

// What the route table needs to know of the thread: whether it may be holding a route.
class IdleObserver {
 public:
  virtual void before_wait() = 0;
  virtual void after_wait() = 0;

 protected:
  ~IdleObserver() = default;
};

class Reactor {
 public:
  // Throws std::system_error where the kernel refuses an epoll or an eventfd: start-up only.
  Reactor();
  ~Reactor();
  Reactor(const Reactor&) = delete;
  Reactor& operator=(const Reactor&) = delete;

  void run();                               // until stop(), which ends one run; may be called again
  void stop();                              // Thread: any
  void post(std::function<void()> work);    // Thread: any. Runs in order; dropped if the reactor has ended

  Time now() const { return now_; }         // read once a turn
  Deadline after(Clock::duration d) const { return d == Clock::duration::zero() ? kNever : now_ + d; }
  TimerWheel& timers() { return timers_; }

  void at_turn_end(TurnEnd& end);
  void observe_idle(IdleObserver* observer) { idle_observer_ = observer; }

  // Resumes `handle` later in this turn (run_soon) or in the next one, after other fds had theirs (run_next).
  // The caller must take back what it no longer wants resumed.
  void run_soon(std::coroutine_handle<> handle) { soon_.push_back(handle); }
  void run_next(std::coroutine_handle<> handle) { next_.push_back(handle); }
  void take_back(std::coroutine_handle<> handle);

  // Handshakes are the one long step (about 0.3 ms each): a turn starts only so many, so that a burst of new
  // connections does not stall those that are there.
  bool take_handshake() { return handshakes_left_ > 0 && handshakes_left_-- > 0; }

  static Reactor* current();  // the reactor that runs on this thread, or null

  std::chrono::nanoseconds longest_turn() {
    return std::exchange(longest_turn_, std::chrono::nanoseconds(0));
  }

 private:
  friend class Watch;
  friend class TurnEnd;

  struct Slot {
    Watch* watch = nullptr;
    std::uint32_t generation = 0;
  };

  void turn();
  void deliver(const epoll_event& event);
  void run_posted();
  void run_handles(std::vector<std::coroutine_handle<>>& queue);
  void run_turn_ends();
  int wait_milliseconds() const;
  void wake();

  int epoll_ = -1;
  int wakeup_ = -1;  // eventfd, slot 0
  Time now_;
  TimerWheel timers_;
  std::vector<Slot> slots_;
  std::vector<std::uint32_t> free_slots_;
  std::vector<std::coroutine_handle<>> soon_, next_, running_;
  std::vector<TurnEnd*> turn_ends_;
  IdleObserver* idle_observer_ = nullptr;
  unsigned handshakes_left_ = 0;
  std::chrono::nanoseconds longest_turn_{0};

  std::mutex posted_mutex_;
  std::vector<std::function<void()>> posted_;  // guarded by posted_mutex_
  std::atomic<bool> wake_pending_{false};
  std::atomic<bool> stopping_{false};
};

}  // namespace envgate::loop
