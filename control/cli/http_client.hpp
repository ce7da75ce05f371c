// A small blocking HTTP/1.1 client over a Unix socket: one request, one connection; the answer read whole, or
// handed on as it comes. An answer is bounded in size and time. Thread: any.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "control/cli/http_answer.hpp"

namespace envgate::cli {

// Whom a socket belongs to, for what is said when nobody answers.
struct Server {
  std::string_view program;  // "envgate"
  std::string_view other;    // what names another socket
};
inline constexpr Server kGatewayServer{
    "envgate", "--socket PATH or $ENVGATE_ADMIN_SOCKET name another: the gateway's setting admin.socket"};
inline constexpr Server kControlServer{
    "envgate-control",
    "--socket PATH or $ENVGATE_CONTROL_SOCKET name another: envgate-control's setting control.socket"};

struct HttpRequest {
  std::string method = "GET";
  std::string target;
  std::string body = {};
  std::string content_type = "application/json";
  std::vector<std::pair<std::string, std::string>> headers = {};  // Requires: no control characters
  std::chrono::milliseconds patience{60'000};  // for all of the answer; of a stream: its head
  Server server = kGatewayServer;
};

struct HttpFailure {
  std::string message;       // what failed and the remedy
  bool unreachable = false;  // nobody listened, or we may not ask
  bool broke_off = false;    // it was asked, and has ended before its answer had
};

template <typename T>
using Http = tl::expected<T, HttpFailure>;

Http<HttpAnswer> request(const std::string& socket_path, const HttpRequest& request);
Http<HttpAnswer> request(const std::string& socket_path, std::string_view method, const std::string& target,
                         std::string_view json_body = {});

struct Stream {
  std::function<bool(std::string_view piece)> take;     // a piece of the body; false: enough
  std::optional<std::chrono::milliseconds> quiet = {};  // ends it when nothing came for so long
};
enum class StreamEnd : std::uint8_t { enough, quiet, closed };

// A good answer's body goes to `stream.take` as it comes, and `body` stays empty; a refusal is read whole.
// Errors: as request(); what breaks off behind a good head is StreamEnd::closed.
Http<std::pair<HttpAnswer, StreamEnd>> request_stream(const std::string& socket_path,
                                                      const HttpRequest& request, const Stream& stream);

// Percent-encodes everything that is not unreserved (RFC 3986 section 2.3): for one path segment or query
// value.
std::string encode_segment(std::string_view text);

}  // namespace envgate::cli
