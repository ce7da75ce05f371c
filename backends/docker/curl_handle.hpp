// One libcurl transfer with its deadline and cancellation; only curl_transport and curl_stream use it.
// Thread: one, but that a stop_token may be asked from any.
#pragma once

#include <curl/curl.h>

#include <memory>
#include <string>

#include "backends/docker/settings.hpp"
#include "backends/docker/transport.hpp"

namespace envgate::backends::docker {

class CurlHandle {
 public:
  CurlHandle(const EngineAddress& address, const std::string& path);
  CurlHandle(const CurlHandle&) = delete;
  CurlHandle& operator=(const CurlHandle&) = delete;
  ~CurlHandle();

  CURL* easy() { return easy_; }
  template <typename T>
  void set(CURLoption option, T value) {
    curl_easy_setopt(easy_, option, value);
  }
  void header(const std::string& line) { headers_ = curl_slist_append(headers_, line.c_str()); }
  // Runs the transfer to its end.
  Outcome<void> run(const Call& call);

 private:
  tl::unexpected<Failure> explain(CURLcode code);
  const EngineAddress& address_;
  CURL* easy_ = curl_easy_init();
  CURLM* multi_ = curl_multi_init();
  curl_slist* headers_ = nullptr;
  char reason_[CURL_ERROR_SIZE] = {};
};

}  // namespace envgate::backends::docker
