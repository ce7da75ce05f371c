// The bytes of the control plane's feed as messages: an HTTP/1.0 answer whose body is one JSON object a line,
// without end. Pure: bytes in, messages out, in whatever pieces they come. What the messages mean together is
// the source's affair. Source: control/api/README.md, "The feed"; RFC 9457 for refusals. Thread: one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "routing/route_json.hpp"

namespace envgate::routing::control {

inline constexpr std::size_t kMaxHead = 16 * 1024;             // bytes; also of a refusal's body
inline constexpr std::size_t kMaxLine = kMaxRouteJson + 1024;  // bytes, without its end
inline constexpr std::size_t kMaxInstall = 64;

struct FeedMessage {
  enum class Type : std::uint8_t { begin, route, end, gone, alive };
  Type type = Type::alive;
  std::optional<std::uint64_t> generation;  // the feed's; always there but with the routes of a snapshot
  std::string install;                      // of `begin`: 1 to kMaxInstall of [A-Za-z0-9._-]
  EnvId env;                                // of `route` and `gone`
  Result<RouteSpec> route;                  // of `route`; an error where this one route is of no use
};

class FeedReader {
 public:
  void add(std::string_view bytes);

  // The next whole message; nothing until more bytes are added. Errors: an answer other than 200, with what
  // its problem says; a head or a line that is too long or malformed. After an error the reader is spent.
  Result<std::optional<FeedMessage>> next();

  // What it means that the server closed now. Requires: next() has nothing more.
  Error closed() const;

 private:
  enum class Part : std::uint8_t { head, refusal, lines };
  Result<bool> read_head();
  Error refusal() const;

  std::string buffer_;
  std::size_t begin_ = 0;    // of what has not been read
  std::size_t scanned_ = 0;  // up to here there is no end of a line
  Part part_ = Part::head;
  std::string status_;  // "403 Forbidden"
  std::size_t body_size_ = kMaxHead;
};

Result<FeedMessage> parse_feed_line(std::string_view line);

}  // namespace envgate::routing::control
