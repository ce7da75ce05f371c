// HTTP/1.1 as the load client speaks it: a GET, an upgrade, and an answer whose length is said or chunked.
#pragma once

#include <cstddef>
#include <string>

#include "tls.hpp"

namespace envgate::bench {

std::string get_request(const std::string& host, const std::string& path);
std::string upgrade_request(const std::string& host, const std::string& path);

struct Answer {
  int status = 0;
  std::size_t body = 0;  // bytes
};

// One connection's answers, one after the other.
class AnswerReader {
 public:
  explicit AnswerReader(Tls& tls) : tls_(tls) {}
  // Blocks. Errors: Failure when the connection ends before the answer does, or where this reader knows no
  // length.
  Answer read();

 private:
  std::string read_head();
  std::size_t read_chunks();
  std::string read_text_line();
  void need(std::size_t bytes);

  Tls& tls_;
  std::string buffer_;  // read, not yet used
};

// Shakes hands for a WebSocket. Errors: Failure on any answer but 101.
void upgrade(Tls& tls, const std::string& host, const std::string& path);

}  // namespace envgate::bench
