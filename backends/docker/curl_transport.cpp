#include "backends/docker/curl_transport.hpp"

#include <cstring>

#include "backends/docker/curl_handle.hpp"
#include "backends/docker/curl_stream.hpp"

namespace envgate::backends::docker {
namespace {

struct Receiver {
  const Request& request;
  CURL* easy;
  Response response;
  std::size_t received = 0;
  bool too_much = false;
  bool refused = false;

  bool success() {
    long status = 0;
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    return status >= 200 && status < 300;
  }
};

std::size_t take_body(char* data, std::size_t, std::size_t size, void* to) {
  auto& receiver = *static_cast<Receiver*>(to);
  receiver.received += size;
  if (receiver.received > receiver.request.most_bytes) {
    receiver.too_much = true;
    return 0;
  }
  if (!receiver.request.on_body || !receiver.success()) {
    receiver.response.body.append(data, size);
    return size;
  }
  if (receiver.request.on_body({data, size})) return size;
  receiver.refused = true;
  return 0;
}

std::size_t take_header(char* data, std::size_t, std::size_t size, void* to) {
  constexpr std::string_view name = "api-version:";
  const std::string_view line(data, size);
  if (line.size() > name.size() && strncasecmp(data, name.data(), name.size()) == 0) {
    std::string_view value = line.substr(name.size());
    while (!value.empty() && value.front() == ' ') value.remove_prefix(1);
    while (!value.empty() && (value.back() == '\r' || value.back() == '\n')) value.remove_suffix(1);
    static_cast<Receiver*>(to)->response.api_version = value.substr(0, 16);
  }
  return size;
}

}  // namespace

CurlTransport::CurlTransport(EngineAddress address) : address_(std::move(address)) {}

Outcome<Response> CurlTransport::send(const Request& request, const Call& call) {
  CurlHandle handle(address_, request.path);
  Receiver receiver{request, handle.easy(), {}};
  handle.set(CURLOPT_CUSTOMREQUEST, request.method.c_str());
  if (request.method == "POST") {
    handle.set(CURLOPT_POSTFIELDS, request.body.data());
    handle.set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
    handle.header("Content-Type: application/json");
    handle.header("Expect:");
  }
  for (const std::string& line : request.headers) handle.header(line);
  handle.set(CURLOPT_WRITEFUNCTION, &take_body);
  handle.set(CURLOPT_WRITEDATA, &receiver);
  handle.set(CURLOPT_HEADERFUNCTION, &take_header);
  handle.set(CURLOPT_HEADERDATA, &receiver);
  auto done = handle.run(call);
  if (receiver.too_much) {
    return failure(Cause::failed, "the engine at " + shown() + " answered " + request.method + ' ' +
                                      request.path + " with more than " + std::to_string(request.most_bytes) +
                                      " bytes");
  }
  if (receiver.refused) return failure(Cause::failed, "the engine's answer was not read to its end");
  if (!done) return tl::unexpected(std::move(done.error()));
  long status = 0;
  curl_easy_getinfo(handle.easy(), CURLINFO_RESPONSE_CODE, &status);
  receiver.response.status = static_cast<int>(status);
  return std::move(receiver.response);
}

Outcome<Response> CurlTransport::converse(const Request& request, const Secret& input, const Call& call) {
  CurlStream stream(address_, request.path);
  return stream.converse(request, input, call);
}

}  // namespace envgate::backends::docker
