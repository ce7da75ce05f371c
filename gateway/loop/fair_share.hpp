// How much a task may move before the others have their turn. Two fast ends are ready again and again: a task
// between them that only waits where it must would never let go of its reactor.
//
//   if (share_.used_up(bytes)) co_await loop::yield(reactor);
#pragma once

#include <cstddef>

namespace envgate::loop {

class FairShare {
 public:
  explicit FairShare(std::size_t bytes) : bytes_(bytes), left_(bytes) {}

  // Counts `bytes` as moved. True: it is the others' turn, and the count begins anew.
  bool used_up(std::size_t bytes) {
    const bool over = bytes >= left_;
    left_ = over ? bytes_ : left_ - bytes;
    return over;
  }

 private:
  std::size_t bytes_, left_;
};

// For bytes that are copied and encrypted: less than a millisecond at 500 MB/s.
inline constexpr std::size_t kCopiedShare = 256 * 1024;

}  // namespace envgate::loop
