// Objects that a thread keeps for their next use, so that a request in steady state allocates nothing.
// Thread: an object is given back on the thread that took it.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

namespace envgate::loop {

template <typename T, std::size_t kMost>
class Spares {
 public:
  // As it was given back; null where there is none.
  static std::unique_ptr<T> take() {
    auto& kept = list();
    if (kept.empty()) return nullptr;
    std::unique_ptr<T> spare = std::move(kept.back());
    kept.pop_back();
    return spare;
  }

  // Destroyed where there are enough.
  static void give(std::unique_ptr<T> spare) noexcept {
    if (auto& kept = list(); kept.size() < kMost) kept.push_back(std::move(spare));
  }

 private:
  struct List : std::vector<std::unique_ptr<T>> {
    List() { this->reserve(kMost); }
  };
  static List& list() {
    thread_local List kept;
    return kept;
  }
};

}  // namespace envgate::loop
