// A request that was read whole, and its answer: plain values, without a word of Beast. Thread: any.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "control/problem.hpp"

namespace envgate::control::api {

// Each may do what those before it may.
enum class Role : std::uint8_t { none, read, gateway, operate, admin };
std::string_view to_string(Role role);

// Where a request came in.
enum class Door : std::uint8_t {
  control,  // the Unix socket: the kernel says who calls
  tls,      // a token says who calls
  metrics,  // plain HTTP: anybody, who is told health and metrics alone
};

struct Caller {
  std::string account = "nobody";  // "uid 1000", "token ab12": the same in its next request
  std::string who = "nobody";      // for the audit: "uid 1000 pid 77", "token ci (ab12) from 192.0.2.1"
  Role role = Role::none;
};

struct Request {
  std::string method, path;           // the path as it was sent, without the query
  std::vector<std::string> segments;  // percent-decoded
  std::vector<std::pair<std::string, std::string>> query;
  std::string body, content_type;
  std::string if_match, idempotency_key, last_event_id;
  std::optional<std::chrono::seconds> wait;  // Prefer: wait=N
  bool old_http = false;                     // HTTP/1.0
  std::string id;                            // ours, for logs and answers
  Door door = Door::control;
  Caller caller;
  std::string bearer, peer;        // of a TLS request: its token, the caller's address
  std::vector<std::string> names;  // what stands for the pattern's {...}

  std::string parameter(std::string_view name) const;  // empty: not there
};

// An answer without end, in pieces. Thread: one call at a time, a worker's.
class Stream {
 public:
  virtual ~Stream() = default;
  // Appends what there is to say now, nothing where there is nothing new. False: it has ended.
  virtual bool next(std::string& out) = 0;
  // Whether an end is one: all was said. Else it is cut off, and the reader sees that.
  virtual bool complete() const { return false; }
};

struct Response {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers = {};
  std::unique_ptr<Stream> stream = nullptr;
  // Asked again whenever something changed, until it answers or the time is up; then `body` is the answer.
  std::function<std::optional<Response>()> later = nullptr;
  std::chrono::seconds wait{0};
};

Response json_response(int status, const nlohmann::json& body);
Response problem_response(const Problem& problem, const Request& request);

// "a%20b" as "a b"; nothing for what is not percent-encoding, has a zero byte or is not UTF-8.
std::optional<std::string> percent_decode(std::string_view text);
// The target as it stands in the request line. False: it is not a path with a query.
bool take_target(std::string_view target, Request& request);

}  // namespace envgate::control::api
