// The strict HTTP/1.x parser, in two steps. A HeadScanner looks at bytes as they arrive, remembers where it
// stopped, and finds the end of the head or the first thing that no head may contain; then one call parses
// the whole head. Values are only searched, 16 bytes at a time; nothing is allocated once the field list has
// grown.
//
//   auto scan = scanner.scan(buffer);           // again, from the same first byte, whenever more has arrived
//   if (scan.state == Scan::complete) verdict = parse_request_head(scan.head, request);
//   ... buffer.consume(scan.head.size()); scanner.reset();
//
// Stricter than the RFCs allow to be lenient: what two parsers could read differently is refused.
// Thread: any. Owns: nothing. Source: RFC 9112, RFC 9110; the table of refusals is in README.md beside this.
#pragma once

#include <cstddef>
#include <string_view>

#include "gateway/http/message.hpp"

namespace envgate::http {

enum class Side : std::uint8_t { request, response };

// A head that a HeadScanner has accepted: lines ended by CRLF, the last one empty, no other control byte but
// HTAB. Only a scanner makes one, so that a parser cannot be handed unchecked bytes.
class ScannedHead {
 public:
  ScannedHead() = default;
  std::size_t size() const { return skipped_ + bytes_.size(); }  // to be consumed from the buffer
  std::string_view bytes() const { return bytes_; }              // with the empty line at the end

 private:
  friend class HeadScanner;
  std::string_view bytes_;
  std::size_t skipped_ = 0;  // an empty line before a request
};

struct Scan {
  enum State : std::uint8_t { need_more, complete, rejected } state = need_more;
  Verdict verdict;   // where rejected
  ScannedHead head;  // where complete
};

class HeadScanner {
 public:
  HeadScanner(Side side, const HeadLimits& limits) : limits_(&limits), side_(side) {}

  // Requires: `buffer` begins at the head's first byte and holds what earlier calls saw, perhaps elsewhere in
  // memory, with more behind it. Bytes behind the head are not looked at.
  Scan scan(std::string_view buffer);
  // For the next head on the connection.
  void reset();
  // True once a byte of the head has arrived: the deadline for a slow head runs from there.
  bool started(std::string_view buffer) const { return buffer.size() > start_; }

 private:
  Scan rejected(int status, std::string_view reason) const;
  Scan unfinished(std::size_t at);
  bool too_long(std::size_t line_end, Scan& out) const;
  bool begins_well(std::string_view buffer) const;

  const HeadLimits* limits_;
  Side side_;
  std::uint32_t at_ = 0;          // the first byte not yet looked at
  std::uint32_t start_ = 0;       // the head's first byte: 2 behind an empty line
  std::uint32_t line_start_ = 0;
  std::uint32_t lines_ = 0;       // finished, the first line among them
};

// Errors: 400, 405 (CONNECT, TRACE), 414, 417, 431, 505; the connection is to be closed after the answer.
Verdict parse_request_head(const ScannedHead& head, RequestHead& out);

// What the answer is read against.
struct ResponseContext {
  Method method = Method::get;         // of the request
  Upgrade upgrade = Upgrade::none;     // what the request, as sent to the target, asked for
};

// Errors: always 502; the target's connection is to be closed. A 1xx other than 101 comes out as
// informational(), with no body, and the next head follows it.
Verdict parse_response_head(const ScannedHead& head, const ResponseContext& context, ResponseHead& out);

}  // namespace envgate::http
