// The backends that this controller drives, by kind and node: "docker/local". Thread: any.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "backends/backend.hpp"

namespace envgate::control {

// What is known of an engine only by asking it. Thread: any.
struct EngineState {
  std::atomic<bool> answers{true};       // at the last look
  std::atomic<long long> cpu_millis{0};  // all that it has; 0: not known yet
  std::atomic<long long> memory_bytes{0};
};

struct Engine {
  std::string key;  // "docker/local"; "physical/pool"
  std::shared_ptr<backends::Backend> backend;
  unsigned concurrency = 4;  // the most calls at once
  std::chrono::milliseconds timeout{std::chrono::minutes(30)};
  std::chrono::seconds grace{10};
  std::chrono::milliseconds resync{0};  // listed no more often than this; 0: each time
  long long gpus = 0;
  std::shared_ptr<EngineState> state = std::make_shared<EngineState>();

  std::string node() const { return key.substr(key.find('/') + 1); }
};
using EnginePtr = std::shared_ptr<const Engine>;

class Engines {
 public:
  void add(Engine engine) {
    const std::lock_guard lock(mutex_);
    auto made = std::make_shared<const Engine>(std::move(engine));
    engines_[made->key] = std::move(made);
  }
  void remove(const std::string& key) {
    const std::lock_guard lock(mutex_);
    engines_.erase(key);
  }
  EnginePtr find(const std::string& key) const {
    const std::lock_guard lock(mutex_);
    const auto found = engines_.find(key);
    return found == engines_.end() ? nullptr : found->second;
  }
  std::vector<EnginePtr> all() const {
    const std::lock_guard lock(mutex_);
    std::vector<EnginePtr> out;
    for (const auto& [key, engine] : engines_) out.push_back(engine);
    return out;
  }
  // Of an environment's columns. All physical machines are one engine's.
  static std::string key_of(const std::string& backend, const std::string& node) {
    return backend == "physical" ? "physical/pool" : backend + "/" + node;
  }

 private:
  mutable std::mutex mutex_;
  std::map<std::string, EnginePtr> engines_;
};

}  // namespace envgate::control
