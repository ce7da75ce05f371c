// Bytes of a stream, cut anywhere, as pieces that never end within a UTF-8 sequence: the beginning of one
// waits for its rest. What is no UTF-8 passes. Thread: one.
#pragma once

#include <string>
#include <string_view>

namespace envgate::record {

class Utf8Carry {
 public:
  // What was carried and `bytes`, without a sequence that has only begun; valid until the next call.
  std::string_view take(std::string_view bytes);
  // What is still carried, at the end of the stream.
  std::string_view rest();

 private:
  std::string piece_;
  std::string carried_;  // three bytes at most
};

// Of the bytes at the end that begin a sequence and may yet be its beginning: 0 to 3.
std::size_t unfinished_bytes(std::string_view bytes);

}  // namespace envgate::record
