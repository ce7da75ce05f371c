// One request head and one response head, after they were found good, whichever version they came in. The
// parsers (h1_parser.hpp, message_h2.hpp) fill them; the forwarder decides by them; rewrite.hpp writes them
// out again. All of it is views and numbers: what is not in these structs is not forwarded.
// Thread: any; one message is used by one thread. Owns: nothing but the field list's memory, kept by clear().
// The views point into the buffer that was parsed, which must stay where it is as long as they are used.
#pragma once

#include <cstdint>
#include <string_view>

#include "gateway/http/fields.hpp"

namespace envgate::http {

enum class Version : std::uint8_t { http10, http11, http2 };
enum class Method : std::uint8_t { get, head, post, put, delete_, options, patch, connect, trace, other };
enum class Upgrade : std::uint8_t { none, websocket };

// Where the body ends. `until_end`: at END_STREAM (HTTP/2), or when the target closes (HTTP/1 responses).
enum class Framing : std::uint8_t { none, length, chunked, until_end };

// What a stranger's bytes were found to be. `reason` is a literal in snake_case, from a fixed set: fit to be
// a metric's label. For responses the status is the one that the client gets instead: 502.
struct [[nodiscard]] Verdict {
  int status = 0;  // 0: good
  std::string_view reason;
  bool ok() const { return status == 0; }
  bool operator==(const Verdict&) const = default;
};
inline Verdict reject(int status, std::string_view reason) { return {status, reason}; }

// Bounds on one head, in bytes; beyond them 414 (request target) or 431, and 502 for a target's.
struct HeadLimits {
  std::size_t request_line = 8 * 1024;
  std::size_t field_line = 16 * 1024;
  std::size_t head = 64 * 1024;
  std::size_t fields = 100;
};

// host[:port] as it stands in Host and :authority. Source: RFC 3986 section 3.2, narrowed to what DNS and IP
// literals use: no user information, no percent-encoding, no empty port.
struct Authority {
  std::string_view text;
  std::string_view host;  // an IPv6 literal keeps its brackets
  std::uint16_t port = 0;  // 0: none given
};
bool parse_authority(std::string_view text, Authority& out);

struct RequestHead {
  Version version = Version::http11;
  Method method = Method::get;
  Upgrade upgrade = Upgrade::none;
  Framing framing = Framing::none;
  std::uint64_t content_length = 0;  // where framing is length
  bool keep_alive = true;
  bool expect_continue = false;
  bool accepts_trailers = false;  // TE: trailers
  std::string_view method_name;
  std::string_view path;   // begins with '/', or is "*" for OPTIONS
  std::string_view query;  // with its '?', or empty
  Authority authority;     // Host, or :authority
  FieldList fields;        // all but pseudo-headers, in order

  bool has_body() const { return framing == Framing::length ? content_length > 0 : framing != Framing::none; }
  void clear();
};

struct ResponseHead {
  Version version = Version::http11;
  int status = 0;  // 100 to 599
  std::string_view reason;
  Framing framing = Framing::none;
  // Where framing is length; also for HEAD and 304, where it describes a body that does not follow.
  std::uint64_t content_length = 0;
  bool has_content_length = false;
  bool keep_alive = true;  // the target's connection may be used again once the body has ended
  Upgrade upgrade = Upgrade::none;  // a 101 to websocket, which had been asked for
  FieldList fields;

  bool informational() const { return status < 200 && status != 101; }
  void clear();
};

Method method_of(std::string_view name);      // case-sensitive, RFC 9110 section 9.1
std::string_view reason_phrase(int status);   // "" where there is no registered one
std::string_view version_text(Version version);

}  // namespace envgate::http
