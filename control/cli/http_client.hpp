// A small blocking HTTP/1.1 client over a Unix socket: one request, one connection, the answer read whole.
// Speaks to our own servers, and yet trusts no length: an answer is bounded in size and time. Thread: any.
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"

namespace envgate::cli {

struct HttpAnswer {
  int status = 0;
  std::string content_type;
  std::string body;
};

struct HttpFailure {
  std::string message;       // what failed and the remedy
  bool unreachable = false;  // nobody listened, or we may not ask
};

tl::expected<HttpAnswer, HttpFailure> request(const std::string& socket_path, std::string_view method,
                                              const std::string& target, std::string_view json_body = {});

// The bytes of a whole answer, closed by its sender. Errors: what is wrong with them.
Result<HttpAnswer> parse_answer(std::string_view bytes);

// Percent-encodes everything that is not unreserved (RFC 3986 section 2.3): for one path segment or query
// value.
std::string encode_segment(std::string_view text);

}  // namespace envgate::cli
