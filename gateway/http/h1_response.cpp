#include "gateway/http/h1_lines.hpp"
#include "gateway/http/h1_parser.hpp"
#include "gateway/http/message_framing.hpp"

namespace envgate::http {
namespace {

using internal::ControlFields;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// HTTP-version SP status-code [ SP [ reason-phrase ] ]. The second space is required by RFC 9112 section 4,
// but small servers leave it out with an empty reason, and nothing else can be meant.
Verdict read_status_line(std::string_view line, ResponseHead& out) {
  if (line.size() < 12 || line.substr(0, 7) != "HTTP/1." || (line[7] != '0' && line[7] != '1') ||
      line[8] != ' ')
    return reject(502, "bad_status_line");
  out.version = line[7] == '0' ? Version::http10 : Version::http11;
  if (!is_digit(line[9]) || !is_digit(line[10]) || !is_digit(line[11])) return reject(502, "bad_status_line");
  out.status = (line[9] - '0') * 100 + (line[10] - '0') * 10 + (line[11] - '0');
  if (out.status < 100 || out.status > 599) return reject(502, "bad_status");  // RFC 9110 section 15
  if (line.size() == 12) return {};
  if (line[12] != ' ') return reject(502, "bad_status_line");
  out.reason = line.substr(13);
  return {};
}

// RFC 9112 section 6.3: no body follows, whatever the fields say. What the fields say is then a doubt.
bool has_no_body(const ResponseHead& head, Method method) {
  return method == Method::head || head.status == 304 || head.status == 204 || head.status < 200;
}

Verdict read_bodiless(const ResponseContext& context, ResponseHead& out) {
  const bool claims_body = out.framing == Framing::chunked || out.content_length > 0;
  out.framing = Framing::none;
  if (context.method == Method::head || out.status == 304) return {};
  // RFC 9110 section 8.6, RFC 9112 section 6.1: neither field belongs in a 1xx or 204.
  if (claims_body && out.status < 200) return reject(502, "body_in_1xx");
  if (claims_body) out.keep_alive = false;
  out.has_content_length = false;
  out.content_length = 0;
  return {};
}

Verdict read_switch(const ControlFields& control, const ResponseContext& context, ResponseHead& out) {
  if (context.upgrade == Upgrade::none) return reject(502, "unasked_101");
  if (out.version != Version::http11 || !control.upgrade || !control.websocket) return reject(502, "bad_101");
  out.upgrade = Upgrade::websocket;
  out.keep_alive = false;
  return {};
}

}  // namespace

Verdict parse_response_head(const ScannedHead& head, const ResponseContext& context, ResponseHead& out) {
  out.clear();
  const std::string_view bytes = head.bytes();
  const std::size_t line_end = bytes.find('\r');
  if (auto verdict = read_status_line(bytes.substr(0, line_end), out); !verdict.ok()) return verdict;
  if (auto verdict = internal::parse_field_lines(bytes.substr(line_end + 2), 502, out.fields); !verdict.ok())
    return verdict;
  ControlFields control;
  if (auto verdict = internal::gather_control_fields(out.fields, 502, control); !verdict.ok()) return verdict;
  if (auto verdict = internal::read_framing(control, out.version, 502, out.framing, out.content_length);
      !verdict.ok())
    return verdict;
  out.has_content_length = out.framing == Framing::length;
  out.keep_alive = !control.close && (out.version == Version::http11 || control.keep_alive);
  if (has_no_body(out, context.method)) {
    if (auto verdict = read_bodiless(context, out); !verdict.ok()) return verdict;
    return out.status == 101 ? read_switch(control, context, out) : Verdict{};
  }
  if (out.framing == Framing::none) {
    out.framing = Framing::until_end;
    out.keep_alive = false;
  }
  return {};
}

}  // namespace envgate::http
