#include "gateway/http/private_cookie.hpp"
#include "gateway/http/rewrite.hpp"
#include "gateway/http/rewrite_writer.hpp"

namespace envgate::http {
namespace {

using internal::HeadWriter;

bool is_websocket_field(FieldId id) {
  return id >= FieldId::sec_websocket_accept && id <= FieldId::sec_websocket_version;
}

bool passes(const Field& field, const RequestHead& head, Framing framing) {
  if (field.id == FieldId::other) return !field.nominated;
  if (field.id == FieldId::trailer) return framing == Framing::chunked;
  // CGI and WSGI turn '-' into '_': X_Forwarded_For would arrive as the field that the gateway vouches for.
  if (field.id == FieldId::underscored || is_connection_field(field.id) || is_gateway_field(field.id))
    return false;
  if (is_websocket_field(field.id)) {
    if (head.upgrade == Upgrade::none || field.id == FieldId::sec_websocket_accept) return false;
    return field.id != FieldId::sec_websocket_key || head.version != Version::http2;
  }
  return field.id != FieldId::cookie;  // joined below
}

// RFC 9113 section 8.2.3 splits Cookie for compression; HTTP/1.1 wants it in one piece. The gateway's own is
// left out, on every port: a target could hand it on, and one that is public now may be private tomorrow.
void append_cookies(HeadWriter& out, const FieldList& fields) {
  thread_local std::string scratch;
  bool any = false;
  for (const Field& field : fields) {
    if (field.id != FieldId::cookie) continue;
    const std::string_view cookies = without_private_cookie(field.value, scratch);
    if (cookies.empty()) continue;
    out.put(any ? "; " : "Cookie: ").put(cookies);
    any = true;
  }
  if (any) out.put("\r\n");
}

void append_framing(HeadWriter& out, const RequestHead& head, Framing framing) {
  if (framing == Framing::chunked) {
    out.put("Transfer-Encoding: chunked\r\n");
    return;
  }
  // RFC 9110 section 8.6: a method that expects a body says that there is none.
  const bool says_empty =
      head.method == Method::post || head.method == Method::put || head.method == Method::patch;
  if (framing == Framing::length) out.number_field("Content-Length", head.content_length);
  else if (says_empty) out.number_field("Content-Length", 0);
}

void append_client(HeadWriter& out, const RequestHead& head, const Forwarding& forwarding) {
  out.field("X-Real-IP", forwarding.client_address);
  out.field("X-Forwarded-For", forwarding.client_address);
  out.field("X-Forwarded-Proto", forwarding.proto);
  out.field("X-Forwarded-Host", head.authority.text);
  if (!forwarding.request_id.empty()) out.field("X-Request-Id", forwarding.request_id);
}

// RFC 9110 sections 7.6.1, 7.8 and 10.1.4: Upgrade and TE stand in Connection as well.
void append_connection(HeadWriter& out, const RequestHead& head, const Forwarding& forwarding) {
  if (head.upgrade == Upgrade::websocket) {
    out.put("Connection: Upgrade\r\nUpgrade: websocket\r\n");
    if (head.version == Version::http2) out.field("Sec-WebSocket-Key", forwarding.websocket_key);
    return;
  }
  if (head.accepts_trailers) out.put("TE: trailers\r\n");
  if (head.accepts_trailers && forwarding.close) out.put("Connection: TE, close\r\n");
  else if (head.accepts_trailers) out.put("Connection: TE\r\n");
  else if (forwarding.close) out.put("Connection: close\r\n");
}

}  // namespace

Framing target_framing(const RequestHead& head) {
  return head.framing == Framing::until_end ? Framing::chunked : head.framing;
}

void append_request_head(std::string& text, const RequestHead& head, const Forwarding& forwarding) {
  const Framing framing = target_framing(head);
  const bool websocket = head.upgrade == Upgrade::websocket;
  std::size_t expected = 512 + head.path.size() + head.query.size() + 2 * head.authority.text.size();
  for (const Field& field : head.fields) expected += field.name.size() + field.value.size() + 4;
  HeadWriter out(text, expected);
  out.put(websocket ? "GET" : head.method_name).put(" ").put(head.path).put(head.query).put(" HTTP/1.1\r\n");
  out.field("Host", head.authority.text);
  for (const Field& field : head.fields)
    if (passes(field, head, framing)) out.field(field.name, field.value);
  append_cookies(out, head.fields);
  if (!websocket) append_framing(out, head, framing);
  if (head.expect_continue && forwarding.forward_expect) out.put("Expect: 100-continue\r\n");
  append_client(out, head, forwarding);
  append_connection(out, head, forwarding);
  out.put("\r\n").finish();
}

}  // namespace envgate::http
