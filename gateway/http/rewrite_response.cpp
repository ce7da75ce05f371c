#include <charconv>

#include "gateway/http/private_cookie.hpp"
#include "gateway/http/rewrite.hpp"
#include "gateway/http/rewrite_writer.hpp"

namespace envgate::http {
namespace {

constexpr std::size_t kReasonMax = 128;
constexpr std::size_t kDigitsMax = 20;
constexpr std::size_t kSiteDataGrowth = 20;  // "*" and its comma, written out

using internal::HeadWriter;

bool has_upper_case(std::string_view name) {
  for (const char c : name)
    if (c >= 'A' && c <= 'Z') return true;
  return false;
}

void append_connection(HeadWriter& out, const ResponseHead& head, const ResponseForwarding& forwarding) {
  if (head.upgrade == Upgrade::websocket) out.put("Connection: Upgrade\r\nUpgrade: websocket\r\n");
  else if (head.status < 200) return;
  else if (forwarding.close || forwarding.framing == Framing::until_end) out.put("Connection: close\r\n");
  else if (forwarding.client_version == Version::http10) out.put("Connection: keep-alive\r\n");
}

}  // namespace

Framing client_framing(const ResponseHead& head, Version client_version) {
  if (head.framing == Framing::none || head.framing == Framing::length) return head.framing;
  return client_version == Version::http11 ? Framing::chunked : Framing::until_end;
}

void append_response_head(std::string& text, const ResponseHead& head, const ResponseForwarding& forwarding) {
  char status[3];
  std::to_chars(status, status + 3, head.status);
  const bool own_reason = !head.reason.empty() && head.reason.size() <= kReasonMax;
  std::size_t expected = 512;
  for (const Field& field : head.fields) expected += field.name.size() + field.value.size() + 4;
  HeadWriter out(text, expected);
  out.put("HTTP/1.1 ").put({status, 3}).put(" ");
  out.put(own_reason ? head.reason : reason_phrase(head.status)).put("\r\n");
  thread_local std::string scratch;
  ForwardedFields fields(head, forwarding, scratch);
  for (Field field; fields.next(field);) out.field(field.name, field.value);
  if (forwarding.framing == Framing::chunked) out.put("Transfer-Encoding: chunked\r\n");
  append_connection(out, head, forwarding);
  out.put("\r\n").finish();
}

// Everything that can go into the scratch is counted first, so that it never moves under a view given out.
ForwardedFields::ForwardedFields(const ResponseHead& head, const ResponseForwarding& forwarding,
                                 std::string& scratch)
    : head_(head), forwarding_(forwarding), scratch_(scratch) {
  scratch_.clear();
  std::size_t most = kDigitsMax;
  for (const Field& field : head.fields) {
    if (forwarding.client_version == Version::http2) most += field.name.size();
    if (field.id == FieldId::set_cookie) most += field.value.size();
    if (field.id == FieldId::clear_site_data) most += kSiteDataGrowth * (field.value.size() + 1);
  }
  scratch_.reserve(most);
}

bool ForwardedFields::next(Field& out) {
  while (at_ < head_.fields.size()) {
    const Field& field = head_.fields[at_++];
    if (!passes(field)) continue;
    if (field.id == FieldId::date) dated_ = true;
    out = field;
    if (forwarding_.client_version == Version::http2) out.name = lower(field.name);
    if (field.id == FieldId::set_cookie && cookie_needs_narrowing(field.value, forwarding_.own_host)) {
      const std::size_t begin = scratch_.size();
      append_narrowed_cookie(scratch_, field.value, forwarding_.own_host);
      out.value = std::string_view(scratch_).substr(begin);
    } else if (field.id == FieldId::clear_site_data) {
      const std::size_t begin = scratch_.size();
      append_narrowed_site_data(scratch_, field.value);
      out.value = std::string_view(scratch_).substr(begin);
      if (out.value.empty()) continue;
    }
    return true;
  }
  return next_own(out);
}

bool ForwardedFields::next_own(Field& out) {
  const bool http2 = forwarding_.client_version == Version::http2;
  if (own_ == 0) {
    own_ = 1;
    // With framing none it describes what HEAD or 304 leave out (RFC 9110 section 8.6).
    const bool describes = forwarding_.framing == Framing::length || forwarding_.framing == Framing::none;
    if (head_.has_content_length && describes) {
      char digits[kDigitsMax];
      const auto end = std::to_chars(digits, digits + sizeof(digits), head_.content_length).ptr;
      out = {http2 ? "content-length" : "Content-Length",
             store({digits, static_cast<std::size_t>(end - digits)}), FieldId::content_length, false};
      return true;
    }
  }
  if (own_ == 1) {
    own_ = 2;
    if (!forwarding_.request_id.empty()) {
      out = {http2 ? "x-request-id" : "X-Request-Id", forwarding_.request_id, FieldId::x_request_id, false};
      return true;
    }
  }
  if (own_ == 2) {
    own_ = 3;
    if (!dated_ && !forwarding_.date.empty()) {
      out = {http2 ? "date" : "Date", forwarding_.date, FieldId::date, false};
      return true;
    }
  }
  if (own_ == 3) {
    own_ = 4;
    if (!forwarding_.own_cookie.empty()) {
      out = {http2 ? "set-cookie" : "Set-Cookie", forwarding_.own_cookie, FieldId::set_cookie, false};
      return true;
    }
  }
  return false;
}

bool ForwardedFields::passes(const Field& field) const {
  switch (field.id) {
    case FieldId::trailer:
      return forwarding_.framing == Framing::chunked || forwarding_.framing == Framing::until_end;
    // It names other ports and hosts for this origin: the browser would leave the gateway (RFC 7838 section
    // 2).
    case FieldId::alt_svc: return false;
    case FieldId::x_request_id: return forwarding_.request_id.empty();
    case FieldId::set_cookie: return !sets_private_cookie(field.value);
    case FieldId::sec_websocket_accept:
      return forwarding_.client_version != Version::http2;  // RFC 8441 section 5
    default: return !is_connection_field(field.id) && !field.nominated;
  }
}

std::string_view ForwardedFields::lower(std::string_view name) {
  if (!has_upper_case(name)) return name;
  const std::size_t begin = scratch_.size();
  for (const char c : name) scratch_ += c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
  return std::string_view(scratch_).substr(begin);
}

std::string_view ForwardedFields::store(std::string_view text) {
  const std::size_t begin = scratch_.size();
  scratch_ += text;
  return std::string_view(scratch_).substr(begin);
}

}  // namespace envgate::http
