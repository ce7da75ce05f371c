// How far an upload's window is open. It begins small and doubles while whole windows are taken by the target
// as fast as they come: a window a round trip is the speed of an upload, and a transatlantic one needs
// megabytes. A target that lags behind keeps it small. What all connections of a thread have beyond their
// beginnings has one bound, since it is memory that clients may come to fill. Thread: the reactor's.
#pragma once

#include <cstddef>
#include <cstdint>

#include "gateway/loop/timer_wheel.hpp"

namespace envgate::http {

// One stream's window, and whether it should grow.
class H2Window {
 public:
  H2Window(std::uint32_t size, loop::Time now) : size_(size), began_(now) {}

  std::uint32_t size() const { return size_; }

  // The target has taken `n` bytes, and `waiting` more are here. True: a whole window was taken without a
  // lag.
  bool taken(std::size_t n, std::size_t waiting, loop::Time now);
  void grow_to(std::uint32_t size) { size_ = size; }

 private:
  std::uint32_t size_;
  std::uint32_t round_ = 0;  // bytes since began_
  bool lagged_ = false;
  loop::Time began_;
};

// What one connection has of its thread's bound.
class H2WindowShare {
 public:
  H2WindowShare() = default;
  H2WindowShare(const H2WindowShare&) = delete;
  H2WindowShare& operator=(const H2WindowShare&) = delete;
  ~H2WindowShare();
  bool take(std::uint32_t n);  // false: it is used up

 private:
  std::uint32_t held_ = 0;
};

}  // namespace envgate::http
