// A pipe that is lent for splicing while bytes are under way. Per-thread pool: making one costs four system
// calls, and an idle session must hold none, or 10,000 sessions would hold 40,000 descriptors. Thread: a pipe
// is returned on the thread that took it.
#pragma once

#include <cstddef>

#include "base/fd.hpp"

namespace envgate::relay {

class Pipe {
 public:
  Pipe() = default;
  Pipe(Pipe&&) noexcept = default;
  Pipe& operator=(Pipe&&) noexcept = default;
  ~Pipe() { give_back(); }

  // False where the process has no descriptor left.
  bool take(std::size_t size);
  // Back to the pool, or closed if bytes are still in it.
  void give_back();
  bool is_open() const { return static_cast<bool>(read_); }

  int read_end() const { return read_.get(); }
  int write_end() const { return write_.get(); }
  std::size_t held = 0;  // bytes inside, kept by whoever splices

 private:
  friend struct PipePool;
  Fd read_, write_;
  std::size_t size_ = 0;
};

}  // namespace envgate::relay
