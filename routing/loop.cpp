#include "routing/loop.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/check.hpp"

namespace envgate::routing {

Loop::Loop() : wake_fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) { CHECK(wake_fd_ >= 0); }

Loop::~Loop() { ::close(wake_fd_); }

void Loop::watch(int fd, short events, std::function<void(short)> ready) {
  watches_[fd] = {events, ++serial_, std::make_shared<std::function<void(short)>>(std::move(ready))};
}

void Loop::unwatch(int fd) { watches_.erase(fd); }

Loop::TimerId Loop::after(std::chrono::nanoseconds delay, std::function<void()> due) {
  const TimerId id = ++serial_;
  const Time when = Clock::now() + delay;
  timers_.emplace(std::pair(when, id), std::move(due));
  due_.emplace(id, when);
  return id;
}

void Loop::cancel(TimerId& timer) {
  const auto found = due_.find(std::exchange(timer, 0));
  if (found == due_.end()) return;
  timers_.erase(std::pair(found->second, found->first));
  due_.erase(found);
}

bool Loop::post(std::function<void()> work) {
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return false;
    mail_.push_back(std::move(work));
  }
  const std::uint64_t one = 1;
  (void)!::write(wake_fd_, &one, sizeof one);  // full means that a wake-up is waiting already
  return true;
}

void Loop::close() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  run_mail();
}

void Loop::stop() {
  post([this] { stopping_ = true; });
}

void Loop::run() {
  std::chrono::milliseconds at_most{0};
  while (!stopping_) {
    turn(wait_ms(at_most));
    at_most = turn_end_ ? turn_end_() : std::chrono::milliseconds{1000};
  }
}

int Loop::wait_ms(std::chrono::milliseconds at_most) const {
  if (timers_.empty()) return static_cast<int>(at_most.count());
  const auto until =
      std::chrono::ceil<std::chrono::milliseconds>(timers_.begin()->first.first - Clock::now());
  return static_cast<int>(std::clamp<std::int64_t>(until.count(), 0, at_most.count()));
}

void Loop::turn(int timeout_ms) {
  std::vector<pollfd> fds{{wake_fd_, POLLIN, 0}};
  std::vector<std::uint64_t> serials{0};
  for (const auto& [fd, watch] : watches_) {
    fds.push_back({fd, watch.events, 0});
    serials.push_back(watch.serial);
  }
  const int count = ::poll(fds.data(), fds.size(), timeout_ms);
  CHECK(count >= 0 || errno == EINTR);
  now_ = Clock::now();
  // Descriptors before timers: what has arrived must be seen before a deadline says that nothing did, also
  // when this process itself was held up.
  if (count > 0) run_ready(fds, serials);
  run_mail();
  run_timers();
}

void Loop::run_ready(const std::vector<pollfd>& ready, const std::vector<std::uint64_t>& serials) {
  for (std::size_t i = 0; i < ready.size(); ++i) {
    if (ready[i].revents == 0) continue;
    if (ready[i].fd == wake_fd_) {
      std::uint64_t count = 0;
      (void)!::read(wake_fd_, &count, sizeof count);
      continue;
    }
    const auto found = watches_.find(ready[i].fd);  // may be gone, or another by the same number
    if (found == watches_.end() || found->second.serial != serials[i]) continue;
    const auto call = found->second.ready;  // it may unwatch itself
    (*call)(ready[i].revents);
  }
}

void Loop::run_mail() {
  std::vector<std::function<void()>> mail;
  {
    const std::lock_guard lock(mutex_);
    mail.swap(mail_);
  }
  for (const auto& work : mail) work();
}

void Loop::run_timers() {
  const Time now = Clock::now();
  while (!timers_.empty() && timers_.begin()->first.first <= now) {
    auto entry = timers_.extract(timers_.begin());
    due_.erase(entry.key().second);
    entry.mapped()();
  }
}

}  // namespace envgate::routing
