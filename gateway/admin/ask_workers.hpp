// Asks every worker something at once, each on its own thread, and waits for the answers. A worker that does
// not turn within the time has none: an admin call then says so instead of hanging with it. Thread: any but a
// worker's. Requires: the workers' reactors run until the call has returned.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "gateway/acceptor.hpp"

namespace envgate::admin {

inline constexpr std::chrono::seconds kWorkerPatience{2};

// By worker. `ask` must be short (it runs between two turns of the data plane), and may run after this has
// given up: it captures by value, or shared.
template <typename T>
std::vector<std::optional<T>> ask_workers(const gateway::Workers& workers,
                                          std::function<T(gateway::Worker&)> ask) {
  struct Answers {
    std::mutex mutex;
    std::condition_variable arrived;
    std::vector<std::optional<T>> values;
    std::size_t missing = 0;
  };
  const auto answers = std::make_shared<Answers>();
  answers->values.resize(workers.size());
  answers->missing = workers.size();
  for (std::size_t i = 0; i < workers.size(); ++i)
    workers[i]->reactor.post([answers, ask, i, &worker = *workers[i]] {
      T value = ask(worker);
      const std::lock_guard lock(answers->mutex);
      answers->values[i] = std::move(value);
      if (--answers->missing == 0) answers->arrived.notify_one();
    });
  std::unique_lock lock(answers->mutex);
  answers->arrived.wait_for(lock, kWorkerPatience, [&] { return answers->missing == 0; });
  return std::move(answers->values);
}

}  // namespace envgate::admin
