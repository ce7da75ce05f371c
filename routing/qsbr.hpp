// Quiescent-state-based reclamation: readers take no lock and write nothing while they look things up; they
// say now and then (once a turn of their loop) that they hold no pointer, and what the writer has unlinked
// before all of them said so is freed. One writer; any number of readers, each used by one thread at a time.
// Source: P. McKenney and J. Walpole, "What is RCU, fundamentally?"; the orderings are argued in qsbr.cpp.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

namespace envgate::routing {

class Qsbr {
 public:
  struct alignas(64) ReaderState {
    std::atomic<std::uint64_t> seen{0};  // 0: offline; else the period at which it last held nothing
  };

  Qsbr() = default;
  Qsbr(const Qsbr&) = delete;
  Qsbr& operator=(const Qsbr&) = delete;
  ~Qsbr();  // Requires: no reader is online.

  // Thread: any.
  std::shared_ptr<ReaderState> register_reader();
  void unregister_reader(const std::shared_ptr<ReaderState>& reader);

  // Thread: the reader's.
  void online(ReaderState& reader);
  void offline(ReaderState& reader);
  void quiescent(ReaderState& reader) {
    reader.seen.store(period_.load(std::memory_order_acquire), std::memory_order_release);
  }

  // Thread: the writer's. `destroy` runs on it, once no reader can hold what has been unlinked before this
  // call.
  void retire(void (*destroy)(const void*), const void* object);
  // Frees what may be freed; returns how much is still waiting.
  std::size_t reclaim();

 private:
  struct Retired {
    std::uint64_t period;
    void (*destroy)(const void*);
    const void* object;
  };
  void close_period();

  std::atomic<std::uint64_t> period_{1};
  std::vector<Retired> open_;  // retired since the last period was closed
  std::vector<Retired> waiting_;
  std::mutex mutex_;  // the list of readers
  std::vector<std::shared_ptr<ReaderState>> readers_;
};

}  // namespace envgate::routing
