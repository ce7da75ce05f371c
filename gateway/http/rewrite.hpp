// What leaves the gateway: heads written anew from what was understood, never copied. Only fields that pass
// the filter are written; framing, Connection, Host and everything that tells the target who the client is
// are the gateway's own. README.md beside this has the table of fields and the reasons.
// Thread: any. Owns: nothing. Allocates only when `out` or `scratch` has to grow.
// Source: RFC 9110 section 7.6, RFC 9112 section 6, RFC 6265 section 5.2.3, RFC 8441 section 5.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "gateway/http/message.hpp"

namespace envgate::http {

// What the gateway says of the client in a request.
struct Forwarding {
  std::string_view client_address;   // "203.0.113.7" or "2001:db8::1", no port
  std::string_view proto = "https";
  std::string_view request_id;
  std::string_view websocket_key;    // for a request that came over HTTP/2 (generate_websocket_key)
  bool forward_expect = false;       // pass Expect: 100-continue on, rather than having answered it
  bool close = false;                // Connection: close: the target's connection is not to be kept
};

// How the body goes to the target: as it came, but `chunked` where HTTP/2 gave no length.
Framing target_framing(const RequestHead& head);

// Appends an HTTP/1.1 request head with its empty line. Requires: `head` was accepted by a parser, and where
// it is an upgrade also by check_websocket_request.
void append_request_head(std::string& out, const RequestHead& head, const Forwarding& forwarding);

// How an answer goes to the client.
struct ResponseForwarding {
  Version client_version = Version::http11;
  Framing framing = Framing::none;  // from client_framing
  std::string_view own_host;        // the environment's public host, without port
  std::string_view request_id;      // sent as X-Request-Id where not empty
  std::string_view date;            // sent where the target gave none (RFC 9110 section 6.6.1)
  std::string_view own_cookie;      // sent as Set-Cookie where not empty; a target's of that name never is
  bool close = false;               // HTTP/1 only: Connection: close
};

// How the body can go to this client. HTTP/1.0 gets until_end (close!) where there is no length, HTTP/1.1
// chunked, HTTP/2 until_end.
Framing client_framing(const ResponseHead& head, Version client_version);

// Appends an HTTP/1.1 response head with its empty line, for 1xx too. Requires: client_version is not http2,
// and not http10 where the response is informational (RFC 9110 section 15.2).
void append_response_head(std::string& out, const ResponseHead& head, const ResponseForwarding& forwarding);

// The filter of append_response_head as an iteration, for HTTP/2: gives the fields that go to the client,
// with Content-Length and X-Request-Id, without Connection and Transfer-Encoding. Under http2 names are lower
// case. `:status` is the caller's. A given name or value points into `head`, into `scratch` (which is
// cleared, and does not move before the iteration ends), or at a literal.
class ForwardedFields {
 public:
  ForwardedFields(const ResponseHead& head, const ResponseForwarding& forwarding, std::string& scratch);
  bool next(Field& out);

 private:
  bool next_own(Field& out);
  bool passes(const Field& field) const;
  std::string_view lower(std::string_view name);
  std::string_view store(std::string_view text);

  const ResponseHead& head_;
  const ResponseForwarding& forwarding_;
  std::string& scratch_;
  std::size_t at_ = 0;
  int own_ = 0;  // how many of the gateway's own fields have been dealt with
  bool dated_ = false;
};

// Appends a Set-Cookie value in which every Domain attribute but the host's own is left out: the cookie
// becomes the host's alone (RFC 6265 section 5.3), and no environment can set one for its neighbours.
void append_narrowed_cookie(std::string& out, std::string_view value, std::string_view own_host);
bool cookie_needs_narrowing(std::string_view value, std::string_view own_host);

// Appends a Clear-Site-Data value without "cookies" (and with what else "*" stands for): a browser would
// clear those of the whole registrable domain, which is every environment's (Clear Site Data, section 3.1).
// May append nothing.
void append_narrowed_site_data(std::string& out, std::string_view value);

}  // namespace envgate::http
