#include "control/reconcile/queue.hpp"

namespace envgate::control {

void Queue::schedule(const std::string& id, Entry& entry, const std::string& engine, Clock::time_point due) {
  lanes_[entry.engine].due.erase({entry.due, id});
  entry.engine = engine;
  entry.due = due;
  lanes_[engine].due.insert({due, id});
  changed_.notify_one();
}

void Queue::nudge(const std::string& id, const std::string& engine) {
  const std::lock_guard lock(mutex_);
  const auto [found, fresh] = entries_.try_emplace(id, Entry{engine, {}, 0, false, false});
  Entry& entry = found->second;
  if (entry.working) {
    entry.nudged = true;
    return;
  }
  entry.attempts = 0;
  schedule(id, entry, engine, Clock::now());
}

void Queue::nudge_if_idle(const std::string& id, const std::string& engine) {
  const std::lock_guard lock(mutex_);
  const auto [found, fresh] = entries_.try_emplace(id, Entry{engine, {}, 0, false, false});
  if (fresh) schedule(id, found->second, engine, Clock::now());
}

void Queue::nudge_waiting(const std::string& engine) {
  const std::lock_guard lock(mutex_);
  const std::set<std::pair<Clock::time_point, std::string>> waiting = lanes_[engine].due;
  for (const auto& [due, id] : waiting) schedule(id, entries_[id], engine, Clock::now());
}

void Queue::set_limit(const std::string& engine, unsigned most) {
  const std::lock_guard lock(mutex_);
  lanes_[engine].most = most;
  changed_.notify_one();
}

Queue::Lane* Queue::next_lane() {
  Lane* next = nullptr;
  for (auto& [engine, lane] : lanes_) {
    if (lane.due.empty() || lane.working >= lane.most) continue;
    if (next == nullptr || lane.due.begin()->first < next->due.begin()->first) next = &lane;
  }
  return next;
}

std::optional<Queue::Item> Queue::take() {
  std::unique_lock lock(mutex_);
  for (;;) {
    if (closed_) return std::nullopt;
    Lane* const lane = next_lane();
    if (lane == nullptr) {
      changed_.wait(lock);
    } else if (const auto due = lane->due.begin()->first; due > Clock::now()) {
      changed_.wait_until(lock, due);
    } else {
      Entry& entry = entries_[lane->due.begin()->second];
      Item item{lane->due.begin()->second, entry.engine, entry.attempts};
      lane->due.erase(lane->due.begin());
      entry.working = true;
      ++lane->working;
      ++in_work_;
      changed_.notify_one();  // somebody else is to wait for the next one now
      return item;
    }
  }
}

void Queue::finish(const Item& item, std::optional<Clock::time_point> next, unsigned attempts) {
  const std::lock_guard lock(mutex_);
  Entry& entry = entries_[item.id];
  --lanes_[item.engine].working;
  --in_work_;
  entry.working = false;
  if (entry.nudged) {
    entry.nudged = false;
    entry.attempts = 0;
    schedule(item.id, entry, entry.engine, Clock::now());
  } else if (next) {
    entry.attempts = attempts;
    schedule(item.id, entry, entry.engine, *next);
  } else {
    entries_.erase(item.id);
  }
  changed_.notify_one();  // there is room for another of this engine
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

std::size_t Queue::position(const std::string& id) const {
  const std::lock_guard lock(mutex_);
  const auto entry = entries_.find(id);
  if (entry == entries_.end() || entry->second.working) return 0;
  const auto lane = lanes_.find(entry->second.engine);
  if (lane == lanes_.end()) return 0;
  const auto& due = lane->second.due;
  const auto found = due.find({entry->second.due, id});
  if (found == due.end()) return 0;
  return static_cast<std::size_t>(std::distance(due.begin(), found)) + 1;
}

std::size_t Queue::waiting() const {
  const std::lock_guard lock(mutex_);
  std::size_t waiting = 0;
  for (const auto& [engine, lane] : lanes_) waiting += lane.due.size();
  return waiting;
}

std::size_t Queue::working() const {
  const std::lock_guard lock(mutex_);
  return in_work_;
}

}  // namespace envgate::control
