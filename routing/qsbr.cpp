// Why nothing is freed too early. The writer unlinks an object, then closes the period (a sequentially
// consistent increment to P), then reads every reader's `seen`; the object is freed when each is 0 or at
// least P.
// - seen >= P: the reader loaded the period P (or a later one) by an acquire load, so it sees the unlinking;
// and
//   its store of `seen` is a release that the writer acquires, so its earlier uses are over.
// - seen == 0 (offline), and the reader comes online just then: online() stores `seen` and afterwards loads
// the
//   period once more, both sequentially consistent. If the writer's load came before that store in the single
//   total order, so did its increment, and the reader's second load reads P or later and so sees the
//   unlinking.
#include "routing/qsbr.hpp"

#include <algorithm>

#include "base/check.hpp"

namespace envgate::routing {

Qsbr::~Qsbr() {
  reclaim();
  CHECK(open_.empty() && waiting_.empty());
}

std::shared_ptr<Qsbr::ReaderState> Qsbr::register_reader() {
  auto reader = std::make_shared<ReaderState>();
  const std::lock_guard lock(mutex_);
  readers_.push_back(reader);
  return reader;
}

void Qsbr::unregister_reader(const std::shared_ptr<ReaderState>& reader) {
  offline(*reader);
  const std::lock_guard lock(mutex_);
  std::erase(readers_, reader);
}

void Qsbr::online(ReaderState& reader) {
  reader.seen.store(period_.load(std::memory_order_seq_cst), std::memory_order_seq_cst);
  (void)period_.load(std::memory_order_seq_cst);
}

void Qsbr::offline(ReaderState& reader) { reader.seen.store(0, std::memory_order_release); }

void Qsbr::retire(void (*destroy)(const void*), const void* object) { open_.push_back({0, destroy, object}); }

void Qsbr::close_period() {
  if (open_.empty()) return;
  const std::uint64_t period = period_.fetch_add(1, std::memory_order_seq_cst) + 1;
  for (Retired& retired : open_) retired.period = period;
  waiting_.insert(waiting_.end(), open_.begin(), open_.end());
  open_.clear();
}

std::size_t Qsbr::reclaim() {
  close_period();
  if (waiting_.empty()) return 0;
  std::uint64_t oldest = period_.load(std::memory_order_relaxed);
  {
    const std::lock_guard lock(mutex_);
    for (const auto& reader : readers_) {
      const std::uint64_t seen = reader->seen.load(std::memory_order_seq_cst);
      if (seen != 0) oldest = std::min(oldest, seen);
    }
  }
  std::size_t freed = 0;  // in order of period
  while (freed < waiting_.size() && waiting_[freed].period <= oldest) {
    waiting_[freed].destroy(waiting_[freed].object);
    ++freed;
  }
  waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<std::ptrdiff_t>(freed));
  return waiting_.size();
}

}  // namespace envgate::routing
