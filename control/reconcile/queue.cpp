#include "control/reconcile/queue.hpp"

namespace envgate::control {

void Queue::schedule(const std::string& id, Entry& entry, Clock::time_point due) {
  due_.erase({entry.due, id});
  entry.due = due;
  due_.insert({due, id});
  changed_.notify_all();
}

void Queue::nudge(const std::string& id, const std::string& engine) {
  const std::lock_guard lock(mutex_);
  Entry& entry = entries_[id];
  if (entry.working) {
    entry.nudged = true;
    return;
  }
  entry.engine = engine;
  entry.attempts = 0;
  schedule(id, entry, Clock::now());
}

void Queue::nudge_if_idle(const std::string& id, const std::string& engine) {
  const std::lock_guard lock(mutex_);
  const auto [found, fresh] = entries_.try_emplace(id);
  if (!fresh) return;
  found->second.engine = engine;
  schedule(id, found->second, Clock::now());
}

void Queue::nudge_waiting(const std::string& engine) {
  const std::lock_guard lock(mutex_);
  for (auto& [id, entry] : entries_)
    if (entry.engine == engine && !entry.working) schedule(id, entry, Clock::now());
}

void Queue::set_limit(const std::string& engine, unsigned most) {
  const std::lock_guard lock(mutex_);
  limits_[engine] = most;
}

std::optional<Queue::Item> Queue::take() {
  std::unique_lock lock(mutex_);
  for (;;) {
    if (closed_) return std::nullopt;
    const auto now = Clock::now();
    auto next = due_.begin();
    for (; next != due_.end() && next->first <= now; ++next) {
      Entry& entry = entries_[next->second];
      const auto limit = limits_.find(entry.engine);
      if (limit != limits_.end() && working_[entry.engine] >= limit->second) continue;
      Item item{next->second, entry.engine, entry.attempts};
      due_.erase(next);
      entry.working = true;
      ++working_[entry.engine];
      ++in_work_;
      return item;
    }
    if (next == due_.end()) {
      changed_.wait(lock);
    } else {
      const Clock::time_point until = next->first;  // while it waits another may take the entry away
      changed_.wait_until(lock, until);
    }
  }
}

void Queue::finish(const Item& item, std::optional<Clock::time_point> next, unsigned attempts) {
  const std::lock_guard lock(mutex_);
  Entry& entry = entries_[item.id];
  --working_[item.engine];
  --in_work_;
  entry.working = false;
  if (entry.nudged) {
    entry.nudged = false;
    entry.attempts = 0;
    schedule(item.id, entry, Clock::now());
  } else if (next) {
    entry.attempts = attempts;
    schedule(item.id, entry, *next);
  } else {
    entries_.erase(item.id);
  }
  changed_.notify_all();  // there is room for another of this engine
}

void Queue::done(const Item& item) { finish(item, std::nullopt, 0); }

void Queue::again(const Item& item, std::chrono::milliseconds after) {
  finish(item, Clock::now() + after, item.attempts + 1);
}

void Queue::close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  changed_.notify_all();
}

std::size_t Queue::waiting() const {
  const std::lock_guard lock(mutex_);
  return due_.size();
}

std::size_t Queue::working() const {
  const std::lock_guard lock(mutex_);
  return in_work_;
}

}  // namespace envgate::control
