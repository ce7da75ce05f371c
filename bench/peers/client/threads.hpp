// Threads that each do their share of a blocking load; the first Failure of any ends the program's run.
#pragma once

#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace envgate::bench {

// Calls `work(index, share)` on `threads` threads at once; the shares add up to `count`. Rethrows the first
// failure.
template <typename Work>
void share_out(std::uint64_t count, std::uint64_t threads, Work work) {
  std::exception_ptr failure;
  std::mutex mutex;
  std::vector<std::thread> running;
  for (std::uint64_t i = 0; i < threads; ++i) {
    running.emplace_back([&, i] {
      try {
        work(i, count / threads + (i < count % threads ? 1 : 0));
      } catch (...) {
        const std::lock_guard lock(mutex);
        if (!failure) failure = std::current_exception();
      }
    });
  }
  for (std::thread& thread : running) thread.join();
  if (failure) std::rethrow_exception(failure);
}

}  // namespace envgate::bench
