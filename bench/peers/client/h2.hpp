// HTTP/2 for the load client: one request at a time on a connection. Not for throughput, which h2load
// measures.
#pragma once

#include <nghttp2/nghttp2.h>

#include <cstdint>
#include <string>

#include "http.hpp"
#include "tls.hpp"

namespace envgate::bench {

class H2Client {
 public:
  H2Client(Tls& tls, std::string host, std::string path);
  ~H2Client();
  H2Client(const H2Client&) = delete;
  H2Client& operator=(const H2Client&) = delete;

  // Blocks. Errors: Failure when the stream or the connection ends without a whole answer.
  Answer get();

 private:
  void flush();
  void read_some();

  Tls& tls_;
  const std::string host_, path_;
  nghttp2_session* session_ = nullptr;
  Answer answer_;
  bool done_ = false;
  std::uint32_t error_ = 0;  // of the stream
};

}  // namespace envgate::bench
