// What a handler of the admin API is given and gives back: requests that are already read whole and taken
// apart, and answers that are written whole. Failures are problem documents (RFC 9457) that name the field at
// fault. Values; the admin thread's.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>
#include <vector>

#include "gateway/http/message.hpp"

namespace envgate::admin {

// Who asks: the peer's credentials on the Unix socket, as the kernel vouches for them; nobody over TCP.
struct Caller {
  bool local = false;    // over the Unix socket
  bool allowed = false;  // may read and change
  pid_t pid = 0;
  uid_t uid = 0;
  gid_t gid = 0;
};

// A body that comes while time passes. Thread: the admin reactor's; destroyed there, too.
class BodySource {
 public:
  virtual ~BodySource() = default;
  // Once, before the first next(). `ready` says that next() may have something; it may be called on any
  // thread until this is destroyed.
  virtual void start(std::function<void()> ready) = 0;
  // What there is now, perhaps nothing. False: that was all.
  virtual bool next(std::string& piece) = 0;
  // Sent when there was nothing for a while, so that a client that has gone is noticed.
  virtual std::string_view heartbeat() const = 0;
};

struct Response {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
  std::string allow;                             // with 405: the methods that would do
  std::shared_ptr<BodySource> stream = nullptr;  // in place of `body`
};

// `field`: the parameter or member that is wrong. `errors`: where there are several things to say.
Response problem(int status, std::string_view detail, std::string_view field = {},
                 const std::vector<std::string>& errors = {});

// A value, or the answer that says why there is none.
template <typename T>
using Wanted = tl::expected<T, Response>;

using Parameter = std::pair<std::string, std::string>;

struct Request {
  http::Method method = http::Method::get;
  std::string method_name;
  std::string path;                   // decoded for logs only: see `segments`
  std::vector<std::string> segments;  // of the path, percent-decoded
  std::vector<Parameter> query;
  std::string body;
  std::string name;  // what stands for the pattern's {name}
  Caller caller;

  const std::string* parameter(std::string_view name) const;
  // A whole number in the query. Errors: 400, naming it.
  Wanted<std::uint64_t> number(std::string_view name, std::uint64_t least, std::uint64_t most,
                               std::uint64_t fallback) const;
  // Nothing where every parameter is one of `known` and comes once; else the 400 that says which is not.
  std::optional<Response> refuse_unknown(std::initializer_list<std::string_view> known) const;
};

// Splits and decodes a request target's path and query ("?a=b&c=d"). Errors: 400 for a malformed %-escape.
std::optional<Response> read_target(std::string_view path, std::string_view query, Request& out);

// The whole answer, ready to be sent; of a stream, its head. `head_only`: the request was HEAD.
std::string to_http(const Response& response, bool close, bool head_only);

}  // namespace envgate::admin
