#include <charconv>

#include "gateway/http/rewrite.hpp"

namespace envgate::http {
namespace {

void append_field(std::string& out, std::string_view name, std::string_view value) {
  out.append(name).append(": ").append(value).append("\r\n");
}

bool is_websocket_field(FieldId id) {
  return id >= FieldId::sec_websocket_accept && id <= FieldId::sec_websocket_version;
}

bool passes(const Field& field, const RequestHead& head, Framing framing) {
  if (field.id == FieldId::other) return !field.nominated;
  if (field.id == FieldId::trailer) return framing == Framing::chunked;
  // CGI and WSGI turn '-' into '_': X_Forwarded_For would arrive as the field that the gateway vouches for.
  if (field.id == FieldId::underscored || is_connection_field(field.id) || is_gateway_field(field.id)) return false;
  if (is_websocket_field(field.id)) {
    if (head.upgrade == Upgrade::none || field.id == FieldId::sec_websocket_accept) return false;
    return field.id != FieldId::sec_websocket_key || head.version != Version::http2;
  }
  return field.id != FieldId::cookie;  // joined below
}

// RFC 9113 section 8.2.3 splits Cookie for compression; HTTP/1.1 wants it in one piece.
void append_cookies(std::string& out, const FieldList& fields) {
  bool any = false;
  for (const Field& field : fields) {
    if (field.id != FieldId::cookie || field.value.empty()) continue;
    out.append(any ? "; " : "Cookie: ").append(field.value);
    any = true;
  }
  if (any) out += "\r\n";
}

void append_framing(std::string& out, const RequestHead& head, Framing framing) {
  if (framing == Framing::chunked) {
    out += "Transfer-Encoding: chunked\r\n";
    return;
  }
  // RFC 9110 section 8.6: a method that expects a body says that there is none.
  const bool says_empty = head.method == Method::post || head.method == Method::put || head.method == Method::patch;
  if (framing != Framing::length && !says_empty) return;
  char digits[20];
  const auto end = std::to_chars(digits, digits + sizeof(digits), framing == Framing::length ? head.content_length : 0);
  append_field(out, "Content-Length", {digits, static_cast<std::size_t>(end.ptr - digits)});
}

void append_client(std::string& out, const RequestHead& head, const Forwarding& forwarding) {
  append_field(out, "X-Real-IP", forwarding.client_address);
  append_field(out, "X-Forwarded-For", forwarding.client_address);
  append_field(out, "X-Forwarded-Proto", forwarding.proto);
  append_field(out, "X-Forwarded-Host", head.authority.text);
  if (!forwarding.request_id.empty()) append_field(out, "X-Request-Id", forwarding.request_id);
}

// RFC 9110 sections 7.6.1, 7.8 and 10.1.4: Upgrade and TE stand in Connection as well.
void append_connection(std::string& out, const RequestHead& head, const Forwarding& forwarding) {
  if (head.upgrade == Upgrade::websocket) {
    out += "Connection: Upgrade\r\nUpgrade: websocket\r\n";
    if (head.version == Version::http2) append_field(out, "Sec-WebSocket-Key", forwarding.websocket_key);
    return;
  }
  if (head.accepts_trailers) out += "TE: trailers\r\n";
  if (head.accepts_trailers && forwarding.close) out += "Connection: TE, close\r\n";
  else if (head.accepts_trailers) out += "Connection: TE\r\n";
  else if (forwarding.close) out += "Connection: close\r\n";
}

}  // namespace

Framing target_framing(const RequestHead& head) {
  return head.framing == Framing::until_end ? Framing::chunked : head.framing;
}

void append_request_head(std::string& out, const RequestHead& head, const Forwarding& forwarding) {
  const Framing framing = target_framing(head);
  const bool websocket = head.upgrade == Upgrade::websocket;
  out.append(websocket ? "GET" : head.method_name).append(" ").append(head.path).append(head.query);
  out += " HTTP/1.1\r\n";
  append_field(out, "Host", head.authority.text);
  for (const Field& field : head.fields)
    if (passes(field, head, framing)) append_field(out, field.name, field.value);
  append_cookies(out, head.fields);
  if (!websocket) append_framing(out, head, framing);
  if (head.expect_continue && forwarding.forward_expect) out += "Expect: 100-continue\r\n";
  append_client(out, head, forwarding);
  append_connection(out, head, forwarding);
  out += "\r\n";
}

}  // namespace envgate::http
