// The bytes of a request's body that have arrived and that nobody has taken yet, in lent blocks. Flow control
// bounds how many there can be; small DATA frames share a block. Thread: the reactor's.
#pragma once

#include <string_view>
#include <vector>

#include "gateway/net/buffer.hpp"

namespace envgate::http {

class H2Chain {
 public:
  void append(std::string_view bytes);

  bool empty() const { return size_ == 0; }
  std::size_t size() const { return size_; }

  // The first contiguous bytes. They stay where they are, whatever is appended, until pop or clear.
  std::string_view front() const;
  void pop(std::size_t n);  // Requires: n <= front().size()

  // Lets go of everything but the block that front() views.
  void keep_front();
  void clear();

 private:
  std::vector<net::Buffer> blocks_;  // filled to the end one after another, never moved within
  std::size_t taken_ = 0;            // of the first block
  std::size_t size_ = 0;
};

}  // namespace envgate::http
