// A hijacked connection: libcurl connects (Unix socket or TLS) and hands over the bare stream, in which HTTP
// says one request and one answer and is then silent.
// Source: Docker Engine API, "Attach to a container", the section on hijacking.
#pragma once

#include "backends/docker/curl_handle.hpp"
#include "base/fd.hpp"

namespace envgate::backends::docker {

// The head of the answer that begins `received`, once it is whole.
struct StreamHead {
  int status = 0;
  std::size_t size = 0;            // with its blank line
  std::size_t content_length = 0;  // of a refusal's body
};
// Nothing: not whole yet. Errors: not HTTP/1, or longer than 16 KiB.
Outcome<std::optional<StreamHead>> parse_stream_head(std::string_view received);

class CurlStream {
 public:
  CurlStream(const EngineAddress& address, const std::string& path)
      : engine_(address.shown()), handle_(address, path) {}
  Outcome<Response> converse(const Request& request, const Secret& input, const Call& call);

 private:
  Outcome<void> write(std::string_view bytes, const Call& call);
  // Appends to received_; 0 is the end.
  Outcome<std::size_t> read(const Call& call);
  Outcome<void> wait(short events, const Call& call);
  const std::string engine_;
  CurlHandle handle_;
  Fd wake_;
  std::string received_;
};

}  // namespace envgate::backends::docker
