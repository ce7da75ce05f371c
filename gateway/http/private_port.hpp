// Who may pass to a private port: a browser that has come with a ticket, once, and has a cookie since.
//
//   GET /.well-known/envgate/open?ticket=T   303 to /, Set-Cookie: a good ticket, never used here before
//   any request with that cookie             on to the target (rewrite takes the cookie out)
//   a websocket with it                      the same, but 403 unless a page of the same origin opens it
//   everything else                          401, and the page says what to do
//
// Thread: any but for send_opened, the worker's. Source: RFC 6265bis, RFC 6455 section 10.2.
#pragma once

#include <string>
#include <string_view>

#include "gateway/http/error_page.hpp"
#include "gateway/http/message.hpp"
#include "gateway/loop/task.hpp"
#include "gateway/used_tickets.hpp"
#include "routing/names.hpp"
#include "routing/tickets.hpp"

namespace envgate::http {

class Exchange;

inline constexpr std::string_view kOpenPath = "/.well-known/envgate/open";

// The gateway's means to decide it.
struct PrivateDoor {
  const routing::TicketKey& key;
  gateway::UsedTickets& used;
  std::chrono::seconds cookie_lifetime;
};

struct Passage {
  enum class Outcome : std::uint8_t { refused, opened, passes } outcome = Outcome::refused;
  ErrorKind error = ErrorKind::link_needed;        // where refused
  std::string_view reason = "private_no_cookie";   // a literal
  std::string set_cookie;                          // where opened
};

// Requires: `name` is the container name in request.authority. A good ticket is used up.
Passage check_private(const PrivateDoor& door, const RequestHead& request, const routing::HostName& name,
                      std::chrono::sys_seconds now);

// Answers where a ticket has opened the port: 303. True if the connection may carry another request.
loop::Task<bool> send_opened(Exchange& exchange, std::string_view set_cookie, std::string_view request_id);
inline constexpr int kOpenedStatus = 303;

}  // namespace envgate::http
