// The gateway's own answers when it has nothing to forward: a short page for people, or a problem document
// (RFC 9457) for programs, by Accept. Each names the environment and the request id, so that the customer can
// tell support what to look for; none names an inner address.
// Thread: any. Owns: nothing. Everything that came from a client is escaped.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "gateway/http/message.hpp"

namespace envgate::http {

enum class ErrorKind : std::uint8_t {
  bad_request,          // 400
  link_needed,          // 401, a private port
  link_bad,             // 401
  link_used,            // 401
  link_expired,         // 401
  unknown_environment,  // 404
  port_not_open,        // 403
  source_not_allowed,   // 403
  foreign_origin,       // 403
  method_not_allowed,   // 405
  request_timeout,      // 408
  body_too_large,       // 413
  target_too_long,      // 414, the request's target
  expectation_failed,   // 417
  misdirected,          // 421
  websocket_version,    // 426
  too_many_requests,    // 429, Retry-After
  fields_too_large,     // 431
  internal,             // 500
  not_implemented,      // 501
  target_refused,       // 502, could not be connected to, or broke off
  target_bad_answer,    // 502
  stopped,              // 503, Retry-After
  waking,               // 503, Retry-After; the page loads itself again
  waking_failed,        // 503, Retry-After
  draining,             // 503, Retry-After
  target_timeout,       // 504
  version_not_supported,  // 505
  count_,
};

int status_of(ErrorKind kind);
// For a Verdict's status: the kind with that status; bad_request where there is none.
ErrorKind kind_of(int status);

struct ErrorContext {
  std::string_view environment;  // empty where it is not known
  std::uint16_t port = 0;        // of the environment; 0 where it is not known
  std::string_view request_id;
  std::string_view accept;       // the request's Accept
  std::uint32_t retry_after = 5;  // seconds
  std::string_view detail = {};   // what more there is to say: how far it is, why not; may be empty
};

// What Accept asks for: true for a problem document. A person's browser, and a client that takes anything,
// get the page. Source: RFC 9110 section 12.5.1.
bool prefers_problem(std::string_view accept);

// The answer's parts, for HTTP/2. `fields` are lower case, content-length among them; names and values point
// at literals, into this object and at the context's strings. Not to be copied or moved for that reason.
class ErrorPage {
 public:
  ErrorPage(ErrorKind kind, const ErrorContext& context);
  ErrorPage(const ErrorPage&) = delete;
  ErrorPage& operator=(const ErrorPage&) = delete;

  int status() const { return status_; }
  std::string_view body() const { return body_; }
  std::span<const Field> fields() const { return {fields_.data(), field_count_}; }

 private:
  void add(std::string_view name, std::string_view value);
  void add_number(std::string_view name, std::uint64_t value);

  int status_;
  std::string body_;
  std::array<std::array<char, 20>, 3> digits_;
  std::size_t numbers_ = 0;
  std::array<Field, 13> fields_;
  std::size_t field_count_ = 0;
};

// The whole answer for HTTP/1.x. `head_only`: the request was HEAD.
void append_error_response(std::string& out, ErrorKind kind, const ErrorContext& context, bool close,
                           bool head_only);

}  // namespace envgate::http
