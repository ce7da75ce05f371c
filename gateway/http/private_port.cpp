#include "gateway/http/private_port.hpp"

#include "gateway/http/date.hpp"
#include "gateway/http/exchange.hpp"
#include "gateway/http/private_cookie.hpp"

namespace envgate::http {
namespace {

using std::chrono::sys_seconds;

Passage refuse(ErrorKind error, std::string_view reason) {
  return {Passage::Outcome::refused, error, reason, {}};
}

// The first `ticket` of a query; its alphabet needs no percent-encoding.
std::string_view ticket_in(std::string_view query) {
  constexpr std::string_view kName = "ticket=";
  while (!query.empty()) {
    query.remove_prefix(1);  // '?' or '&'
    const std::string_view pair = query.substr(0, query.find('&'));
    if (pair.starts_with(kName)) return pair.substr(kName.size());
    query.remove_prefix(pair.size());
  }
  return {};
}

std::string cookie_for(const PrivateDoor& door, const routing::HostName& name, sys_seconds now) {
  std::string text(kPrivateCookie);
  text += "=" + routing::sign_cookie(door.key, name.env, name.port, now + door.cookie_lifetime);
  // Lax, and not Strict: a link in a mail or a chat leads into the application, too.
  return text + "; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=" +
         std::to_string(door.cookie_lifetime.count());
}

Passage open(const PrivateDoor& door, const RequestHead& request, const routing::HostName& name,
             sys_seconds now) {
  // A HEAD is somebody's preview of the link, and must not use it up.
  if (request.method != Method::get || request.upgrade != Upgrade::none)
    return refuse(ErrorKind::link_bad, "ticket_without_get");
  const auto ticket = routing::verify_ticket(door.key, ticket_in(request.query), now);
  if (!ticket && ticket.error().code == routing::kTicketExpired)
    return refuse(ErrorKind::link_expired, "ticket_expired");
  if (!ticket && ticket.error().code == routing::kTicketTooLong)
    return refuse(ErrorKind::link_bad, "ticket_too_long");
  if (!ticket) return refuse(ErrorKind::link_bad, "ticket_bad");
  if (!ticket->opens(name.env, name.port)) return refuse(ErrorKind::link_bad, "ticket_for_another_port");
  switch (door.used.use(*ticket, now)) {
    case gateway::UsedTickets::Use::again: return refuse(ErrorKind::link_used, "ticket_used");
    case gateway::UsedTickets::Use::full: return refuse(ErrorKind::too_many_requests, "too_many_tickets");
    case gateway::UsedTickets::Use::first: break;
  }
  return {Passage::Outcome::opened, {}, "private_opened", cookie_for(door, name, now)};
}

bool has_good_cookie(const PrivateDoor& door, const RequestHead& request, const routing::HostName& name,
                     sys_seconds now) {
  for (const Field& field : request.fields) {
    if (field.id != FieldId::cookie) continue;
    std::string_view rest = field.value;
    for (std::string_view value; next_private_cookie(rest, value);) {
      const auto cookie = routing::verify_cookie(door.key, value, now);
      if (cookie && cookie->opens(name.env, name.port)) return true;
    }
  }
  return false;
}

// A browser sends a websocket's cookies from whatever page opened it, and asks no CORS question: the Origin
// is all that tells (RFC 6455 section 10.2). Neighbours under our domain are SameSite to each other, so the
// cookie's Lax does not help. Clients that are no browsers have to say it as well.
bool is_from_own_page(const RequestHead& request) {
  const Field* origin = nullptr;
  for (const Field& field : request.fields) {
    if (field.id != FieldId::origin) continue;
    if (origin) return false;
    origin = &field;
  }
  constexpr std::string_view kScheme = "https://";
  if (!origin || !equals_ignoring_case(origin->value.substr(0, kScheme.size()), kScheme)) return false;
  const std::string_view host = origin->value.substr(kScheme.size());
  const Authority& own = request.authority;
  // An Origin never names its scheme's own port (RFC 6454 section 6.2); a Host may.
  return equals_ignoring_case(host, own.text) || (own.port == 443 && equals_ignoring_case(host, own.host));
}

}  // namespace

Passage check_private(const PrivateDoor& door, const RequestHead& request, const routing::HostName& name,
                      sys_seconds now) {
  if (request.path == kOpenPath) return open(door, request, name, now);
  if (!has_good_cookie(door, request, name, now)) return {};
  if (request.upgrade == Upgrade::websocket && !is_from_own_page(request))
    return refuse(ErrorKind::foreign_origin, "websocket_foreign_origin");
  return {Passage::Outcome::passes, {}, {}, {}};
}

loop::Task<bool> send_opened(Exchange& exchange, std::string_view set_cookie, std::string_view request_id) {
  ResponseHead head;
  head.status = kOpenedStatus;
  head.framing = Framing::length;
  head.has_content_length = true;
  head.fields.push_back({"Location", "/", FieldId::location, false});
  head.fields.push_back({"Cache-Control", "no-store", FieldId::cache_control, false});
  // The ticket is in this page's address; it is used up, but need not go about all the same.
  head.fields.push_back({"Referrer-Policy", "no-referrer", FieldId::other, false});
  ResponseForwarding forwarding;
  forwarding.client_version = exchange.request().version;
  forwarding.framing = Framing::length;
  forwarding.request_id = request_id;
  forwarding.date = http_date();
  forwarding.own_cookie = set_cookie;
  forwarding.close = !exchange.body_ended();
  exchange.send_head(head, forwarding);
  const bool sent = co_await exchange.send_end(FieldList());
  co_return sent && exchange.body_ended();
}

}  // namespace envgate::http
