#include "gateway/loop/reactor.hpp"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>
#include <utility>

#include "base/check.hpp"

namespace envgate::loop {
namespace {

constexpr int kEventsPerWait = 256;
constexpr unsigned kHandshakesPerTurn = 16;  // about 5 ms of turn at 0.3 ms each (FACTS, "HTTPS")
constexpr unsigned kMostUnasked = 2;
constexpr std::uint32_t kAlways = EPOLLOUT | EPOLLRDHUP | EPOLLET;

thread_local Reactor* current_reactor = nullptr;

[[noreturn]] void refuse(const char* what) { throw std::system_error(errno, std::generic_category(), what); }

}  // namespace

Result<void> Watch::open(Reactor& reactor, int fd) {
  CHECK(!reactor_);
  std::uint32_t slot;
  if (reactor.free_slots_.empty()) {
    slot = static_cast<std::uint32_t>(reactor.slots_.size());
    reactor.slots_.emplace_back();
  } else {
    slot = reactor.free_slots_.back();
    reactor.free_slots_.pop_back();
  }
  Reactor::Slot& entry = reactor.slots_[slot];
  reactor_ = &reactor;
  fd_ = fd;
  slot_ = slot;
  if (!control(EPOLL_CTL_ADD, true)) {
    const int error = errno;
    reactor_ = nullptr;
    reactor.free_slots_.push_back(slot);
    return fail_errno("epoll_ctl(ADD)", error);
  }
  entry.watch = this;
  // Nothing is known yet: let the first call find out. A fresh socket is nearly always writable.
  ready_[0] = ready_[1] = true;
  peer_closed_ = muted_ = false;
  unasked_ = 0;
  return {};
}

void Watch::close() {
  if (!reactor_) return;
  Reactor::Slot& entry = reactor_->slots_[slot_];
  entry.watch = nullptr;
  ++entry.generation;
  reactor_->free_slots_.push_back(slot_);
  reactor_ = nullptr;
  waiters_[0] = waiters_[1] = nullptr;
}

void Watch::detach() {
  if (reactor_) control(EPOLL_CTL_DEL, false);
  close();
}

void Watch::arm(Direction d, Waiter& waiter) {
  CHECK(reactor_ && (!waiters_[index(d)] || waiters_[index(d)] == &waiter));
  waiters_[index(d)] = &waiter;
  if (d == Direction::read) listen_again();
}

bool Watch::control(int operation, bool reads) {
  epoll_event event{};
  event.events = kAlways | (reads ? EPOLLIN : 0u);
  event.data.u64 = (std::uint64_t{reactor_->slots_[slot_].generation} << 32) | slot_;
  return epoll_ctl(reactor_->epoll_, operation, fd_, &event) == 0;
}

void Watch::mute(bool on) {
  // MOD looks at the socket anew: what came meanwhile is an edge (epoll_ctl(2)).
  CHECK(control(EPOLL_CTL_MOD, !on));
  muted_ = on;
}

void Watch::unasked() {
  if (!muted_ && ++unasked_ >= kMostUnasked) mute(true);
}

void Watch::deliver(std::uint32_t events) {
  if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) peer_closed_ = true;
  const bool broken = events & (EPOLLHUP | EPOLLERR);
  if ((events & EPOLLIN) && ready_[0] && !waiters_[0] && !waiters_[1]) unasked();
  if (broken || (events & (EPOLLIN | EPOLLRDHUP))) ready_[0] = true;
  if (broken || (events & EPOLLOUT)) ready_[1] = true;
  // The first waiter may close or destroy this watch: look again through the slot before the second.
  Reactor& reactor = *reactor_;
  const std::uint32_t slot = slot_, generation = reactor.slots_[slot].generation;
  if (ready_[0] && waiters_[0]) waiters_[0]->ready();
  if (reactor.slots_[slot].generation != generation || reactor.slots_[slot].watch != this) return;
  if (ready_[1] && waiters_[1]) waiters_[1]->ready();
}

TurnEnd::~TurnEnd() {
  if (queued_on_)
    std::replace(queued_on_->turn_ends_.begin(), queued_on_->turn_ends_.end(), this,
                 static_cast<TurnEnd*>(nullptr));
}

Reactor::Reactor() : now_(Clock::now()), timers_(now_) {
  epoll_ = epoll_create1(EPOLL_CLOEXEC);
  if (epoll_ < 0) refuse("epoll_create1");
  wakeup_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (wakeup_ < 0) refuse("eventfd");
  slots_.emplace_back();  // slot 0 is the wake-up
  epoll_event event{};
  event.events = EPOLLIN | EPOLLET;
  if (epoll_ctl(epoll_, EPOLL_CTL_ADD, wakeup_, &event) != 0) refuse("epoll_ctl(ADD)");
}

Reactor::~Reactor() {
  ::close(wakeup_);
  ::close(epoll_);
}

Reactor* Reactor::current() { return current_reactor; }

void Reactor::run() {
  current_reactor = this;
  while (!stopping_.load(std::memory_order_acquire)) turn();
  stopping_.store(false, std::memory_order_relaxed);
  run_posted();
  current_reactor = nullptr;
}

void Reactor::stop() {
  stopping_.store(true, std::memory_order_release);
  wake();
}

void Reactor::post(std::function<void()> work) {
  {
    const std::lock_guard lock(posted_mutex_);
    posted_.push_back(std::move(work));
  }
  wake();
}

void Reactor::wake() {
  if (wake_pending_.exchange(true, std::memory_order_acq_rel)) return;
  const std::uint64_t one = 1;
  // Cannot fail but by overflow, which wakes too.
  [[maybe_unused]] const auto written = ::write(wakeup_, &one, sizeof(one));
}

int Reactor::wait_milliseconds() const {
  if (!next_.empty() || !soon_.empty()) return 0;
  return static_cast<int>(timers_.until_next(now_).count());
}

void Reactor::turn() {
  std::array<epoll_event, kEventsPerWait> events;
  const int timeout = wait_milliseconds();
  if (timeout != 0 && idle_observer_) idle_observer_->before_wait();
  const int count = epoll_wait(epoll_, events.data(), kEventsPerWait, timeout);
  CHECK(count >= 0 || errno == EINTR);
  if (idle_observer_) idle_observer_->after_wait();

  now_ = Clock::now();
  handshakes_left_ = kHandshakesPerTurn;
  for (int i = 0; i < count; ++i) deliver(events[static_cast<std::size_t>(i)]);
  timers_.advance(now_);
  run_posted();
  run_handles(next_);
  while (!soon_.empty()) run_handles(soon_);
  run_turn_ends();
  longest_turn_ = std::max(longest_turn_, std::chrono::nanoseconds(Clock::now() - now_));
}

void Reactor::deliver(const epoll_event& event) {
  const auto slot = static_cast<std::uint32_t>(event.data.u64);
  const auto generation = static_cast<std::uint32_t>(event.data.u64 >> 32);
  if (slot == 0) {
    std::uint64_t ignored;
    [[maybe_unused]] const auto got = ::read(wakeup_, &ignored, sizeof(ignored));
    return;
  }
  Slot& entry = slots_[slot];
  if (entry.generation == generation && entry.watch) entry.watch->deliver(event.events);
}

void Reactor::run_posted() {
  if (!wake_pending_.exchange(false, std::memory_order_acq_rel)) return;
  std::vector<std::function<void()>> batch;
  {
    const std::lock_guard lock(posted_mutex_);
    batch.swap(posted_);
  }
  for (auto& work : batch) work();
}

void Reactor::run_handles(std::vector<std::coroutine_handle<>>& queue) {
  CHECK(running_.empty());
  running_.swap(queue);
  for (std::size_t i = 0; i < running_.size(); ++i)
    if (const auto handle = std::exchange(running_[i], nullptr)) handle.resume();
  running_.clear();
}

void Reactor::take_back(std::coroutine_handle<> handle) {
  for (auto* queue : {&soon_, &next_, &running_})
    for (auto& queued : *queue)
      if (queued == handle) queued = nullptr;
}

void Reactor::at_turn_end(TurnEnd& end) {
  if (end.queued_on_) return;
  end.queued_on_ = this;
  turn_ends_.push_back(&end);
}

void Reactor::run_turn_ends() {
  // One may queue another (a flush that frees room resumes a writer): those run in this turn too. What the
  // resumed tasks ask to run soon waits for the next turn, whose wait is then zero.
  for (std::size_t i = 0; i < turn_ends_.size(); ++i)
    if (TurnEnd* const end = turn_ends_[i]) {
      turn_ends_[i] = nullptr;
      end->queued_on_ = nullptr;
      end->turn_ended();
    }
  turn_ends_.clear();
}

}  // namespace envgate::loop
