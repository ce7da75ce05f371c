// Requests to an engine and their answers, bounded in size and time. The fake of the tests is another one.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "backends/backend.hpp"

namespace envgate::backends::docker {

struct Request {
  std::string method;
  std::string path;  // with its query, percent-encoded
  std::string body;  // JSON, or empty
  std::vector<std::string> headers;
  std::size_t most_bytes = 4u << 20;  // of the answer; for a stream, of all of it together
  // Takes the body of a 2xx answer piece by piece, as it comes; false ends the request as cancelled.
  std::function<bool(std::string_view)> on_body;
};

struct Response {
  int status = 0;
  std::string body;         // empty where `on_body` took it
  std::string api_version;  // the header of that name
};

class Transport {
 public:
  virtual ~Transport() = default;
  virtual Outcome<Response> send(const Request& request, const Call& call) = 0;
  // A hijacked stream: sends the request, then `input`, and gives all that comes until the engine closes. On
  // a refusal it is the response as `send` gives it.
  virtual Outcome<Response> converse(const Request& request, const Secret& input, const Call& call) = 0;
  virtual std::string shown() const = 0;  // for messages
};

// Why a call must end now, or nothing.
std::optional<Failure> must_end(const Call& call, const std::string& engine);
int milliseconds_left(const Call& call);  // 0 to 1000: how long a poll may sleep

}  // namespace envgate::backends::docker
