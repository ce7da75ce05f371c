#include "backends/docker/curl_handle.hpp"

#include <errno.h>

#include <stop_token>

#include "base/check.hpp"

namespace envgate::backends::docker {

CurlHandle::CurlHandle(const EngineAddress& address, const std::string& path) : address_(address) {
  static const CURLcode global = curl_global_init(CURL_GLOBAL_DEFAULT);
  CHECK(global == CURLE_OK && easy_ != nullptr && multi_ != nullptr);
  const bool tls = !address.host.empty();
  set(CURLOPT_URL, ((tls ? "https://" + address.host : "http://engine") + path).c_str());
  set(CURLOPT_ERRORBUFFER, reason_);
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_NOPROXY, "*");  // whatever the environment says
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  set(CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
  set(CURLOPT_PATH_AS_IS, 1L);
  if (!tls) {
    set(CURLOPT_UNIX_SOCKET_PATH, address.socket.c_str());
    return;
  }
  set(CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2);
  set(CURLOPT_CAINFO, address.ca.c_str());
  set(CURLOPT_CAPATH, static_cast<const char*>(nullptr));  // the operator's authority, and no other
  set(CURLOPT_SSLCERT, address.certificate.c_str());
  set(CURLOPT_SSLKEY, address.key.c_str());
}

CurlHandle::~CurlHandle() {
  curl_multi_remove_handle(multi_, easy_);
  curl_easy_cleanup(easy_);
  curl_multi_cleanup(multi_);
  curl_slist_free_all(headers_);
}

Outcome<void> CurlHandle::run(const Call& call) {
  if (auto end = must_end(call, address_.shown())) return tl::unexpected(std::move(*end));
  set(CURLOPT_HTTPHEADER, headers_);
  curl_multi_add_handle(multi_, easy_);
  const std::stop_callback wake(call.cancel, [this] { curl_multi_wakeup(multi_); });
  for (;;) {
    int running = 0;
    if (curl_multi_perform(multi_, &running) != CURLM_OK) return explain(CURLE_FAILED_INIT);
    if (running == 0) break;
    if (auto end = must_end(call, address_.shown())) return tl::unexpected(std::move(*end));
    curl_multi_poll(multi_, nullptr, 0, milliseconds_left(call), nullptr);
  }
  int queued = 0;
  const CURLMsg* message = curl_multi_info_read(multi_, &queued);
  const CURLcode code = message != nullptr ? message->data.result : CURLE_FAILED_INIT;
  if (code != CURLE_OK) return explain(code);
  return {};
}

tl::unexpected<Failure> CurlHandle::explain(CURLcode code) {
  const std::string engine = address_.shown();
  const std::string reason = reason_[0] != '\0' ? reason_ : curl_easy_strerror(code);
  long error = 0;
  curl_easy_getinfo(easy_, CURLINFO_OS_ERRNO, &error);
  if (code == CURLE_COULDNT_CONNECT && error == EACCES) {
    return failure(Cause::denied, "no permission to use the engine's socket " + engine +
                                      ": add this program's user to the group that owns it");
  }
  if (code == CURLE_COULDNT_CONNECT && error == ENOENT) {
    return failure(Cause::unreachable,
                   "the engine's socket " + engine + " is not there: start the engine, or correct the path");
  }
  if (code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST) {
    return failure(Cause::unreachable, "nobody answers at the engine's address " + engine + " (" + reason +
                                           "): start the engine");
  }
  if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CERTPROBLEM ||
      code == CURLE_SSL_CACERT_BADFILE || code == CURLE_SSL_CONNECT_ERROR) {
    return failure(Cause::denied, "TLS with the engine at " + engine + " failed (" + reason +
                                      "): check the authority, the certificate and its key on both sides");
  }
  return failure(Cause::unreachable,
                 "the engine at " + engine + " broke off (" + reason + "): it may be restarting");
}

}  // namespace envgate::backends::docker
