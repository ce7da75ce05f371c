// Where Redis is: redis://[user:password@]host[:port][/db], redis://:password@host,
// unix:///path/to/socket[?db=N]. Immutable; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace envgate::routing::redis {

struct Url {
  std::string host;  // a name or a literal; empty for a unix socket
  std::uint16_t port = 6379;
  std::string path;  // of a unix socket
  std::string user, password;
  unsigned db = 0;

  // Errors never repeat the URL: it may hold a password.
  static Result<Url> parse(std::string_view text);
  // For logs: no user, no password.
  std::string shown() const;
};

}  // namespace envgate::routing::redis
