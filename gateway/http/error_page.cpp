#include "gateway/http/error_page.hpp"

#include <charconv>

#include "base/json_line.hpp"
#include "gateway/http/date.hpp"
#include "gateway/http/error_page_text.hpp"

namespace envgate::http {
namespace {

using internal::ErrorText;
using internal::kErrorTexts;

const ErrorText& text_of(ErrorKind kind) { return kErrorTexts[static_cast<std::size_t>(kind)]; }

// --- Accept ---

struct Preference {
  int quality = 0;      // in thousandths
  int specificity = 0;  // 3 the type itself, 2 its family, 1 anything; 0 not accepted
};

// "0", "1", "0.8", "0.853" and so on; anything else counts as 1, as a client would have meant it.
int parse_quality(std::string_view text) {
  if (text.empty() || (text[0] != '0' && text[0] != '1')) return 1000;
  if (text[0] == '1') return 1000;
  int value = 0, scale = 100;
  for (std::size_t i = 2; i < text.size() && i < 5 && text[i] >= '0' && text[i] <= '9'; ++i, scale /= 10)
    value += (text[i] - '0') * scale;
  return value;
}

int range_quality(std::string_view parameters) {
  while (!parameters.empty()) {
    const std::size_t semicolon = parameters.find(';');
    const std::string_view parameter = trim(parameters.substr(0, semicolon));
    if (equals_ignoring_case(parameter.substr(0, 2), "q=")) return parse_quality(parameter.substr(2));
    parameters = semicolon == std::string_view::npos ? std::string_view() : parameters.substr(semicolon + 1);
  }
  return 1000;
}

// RFC 9110 section 12.5.1: the most specific range that matches decides.
Preference preference(std::string_view accept, std::string_view family, std::string_view type) {
  Preference best;
  std::string_view member;
  while (next_list_member(accept, member)) {
    const std::size_t semicolon = member.find(';');
    const std::string_view range = trim(member.substr(0, semicolon));
    const int specificity = equals_ignoring_case(range, type) ? 3
                            : equals_ignoring_case(range, family) ? 2 : range == "*/*" ? 1 : 0;
    if (specificity <= best.specificity) continue;
    best = {semicolon == std::string_view::npos ? 1000 : range_quality(member.substr(semicolon + 1)),
            specificity};
  }
  return best;
}

bool is_better(const Preference& a, const Preference& b) {
  return a.quality != b.quality ? a.quality > b.quality : a.specificity > b.specificity;
}

// --- Bodies ---

constexpr std::string_view kHead =
    "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
    "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">"
    "<meta name=\"robots\" content=\"noindex\"><title>";
constexpr std::string_view kStyle =
    "</title>\n<style>:root{color-scheme:light dark}"
    "body{margin:0;min-height:100vh;display:grid;place-items:center;font:16px/1.6 system-ui,sans-serif;"
    "background:#f6f7f9;color:#1c2330}"
    "main{max-width:34rem;margin:1.5rem;padding:2rem;border-radius:12px;background:#fff;"
    "box-shadow:0 1px 4px #0002}"
    "b{font-size:.95rem;color:#5b6b88}h1{margin:.2rem 0 .8rem;font-size:1.5rem}p{margin:.5rem 0}"
    "dl{display:grid;grid-template-columns:auto 1fr;gap:.1rem .9rem;margin:1.4rem 0 0;font-size:.85rem;"
    "color:#5b6b88}dd{margin:0;font-family:monospace;overflow-wrap:anywhere}"
    "@media(prefers-color-scheme:dark){body{background:#12151b;color:#e6e9ef}main{background:#1b2029}"
    "b,dl{color:#93a1bb}}</style></head>\n<body><main><b>";

void append_escaped(std::string& out, std::string_view text) {
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&#39;"; break;
      default: out += c;
    }
  }
}

void append_number(std::string& out, std::uint64_t value) {
  char digits[20];
  out.append(digits, std::to_chars(digits, digits + sizeof(digits), value).ptr);
}

void append_page(std::string& out, const ErrorText& text, const ErrorContext& context) {
  const std::string_view phrase = reason_phrase(text.status);
  out.append(kHead).append(phrase).append(kStyle);
  append_number(out, static_cast<std::uint64_t>(text.status));
  out.append("</b><h1>").append(phrase).append("</h1>\n<p>").append(text.text);
  out.append("</p>\n<p lang=\"zh\">").append(text.chinese).append("</p>\n<dl>");
  if (!context.detail.empty()) {
    out += "<dt>Now</dt><dd>";
    append_escaped(out, context.detail);
    out += "</dd>";
  }
  if (!context.environment.empty()) {
    out += "<dt>Environment</dt><dd>";
    append_escaped(out, context.environment);
    out += "</dd>";
  }
  if (context.port != 0) {
    out += "<dt>Port</dt><dd>";
    append_number(out, context.port);
    out += "</dd>";
  }
  out += "<dt>Request</dt><dd>";
  append_escaped(out, context.request_id);
  out += "</dd></dl></main></body></html>\n";
}

void append_member(std::string& out, std::string_view key, std::string_view value) {
  out.append(",\"").append(key).append("\":");
  append_json_string(out, value);
}

// RFC 9457; the type is about:blank, so the title is the status's own phrase, and `code` tells programs more.
void append_problem(std::string& out, const ErrorText& text, const ErrorContext& context) {
  out += "{\"status\":";
  append_number(out, static_cast<std::uint64_t>(text.status));
  append_member(out, "title", reason_phrase(text.status));
  append_member(out, "detail", text.text);
  append_member(out, "code", text.code);
  if (!context.detail.empty()) append_member(out, "now", context.detail);
  if (!context.environment.empty()) append_member(out, "environment", context.environment);
  if (context.port != 0) {
    out += ",\"port\":";
    append_number(out, context.port);
  }
  append_member(out, "request_id", context.request_id);
  out += "}\n";
}

}  // namespace

bool prefers_problem(std::string_view accept) {
  const Preference page = preference(accept, "text/*", "text/html");
  const Preference json = preference(accept, "application/*", "application/json");
  const Preference problem = preference(accept, "application/*", "application/problem+json");
  return is_better(json, page) || is_better(problem, page);
}

int status_of(ErrorKind kind) { return text_of(kind).status; }

ErrorKind kind_of(int status) {
  for (const ErrorText& text : kErrorTexts)
    if (text.status == status && text.kind != ErrorKind::port_not_open &&
        text.kind != ErrorKind::target_refused)
      return text.kind;
  return ErrorKind::bad_request;
}

void ErrorPage::add(std::string_view name, std::string_view value) {
  fields_[field_count_++] = {name, value, field_id(name), false};
}

void ErrorPage::add_number(std::string_view name, std::uint64_t value) {
  auto& digits = digits_[numbers_++];
  const char* const end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
  add(name, {digits.data(), static_cast<std::size_t>(end - digits.data())});
}

ErrorPage::ErrorPage(ErrorKind kind, const ErrorContext& context) : status_(status_of(kind)) {
  const ErrorText& text = text_of(kind);
  body_.reserve(2048);
  const bool problem = prefers_problem(context.accept);
  problem ? append_problem(body_, text, context) : append_page(body_, text, context);
  add("content-type", problem ? "application/problem+json" : "text/html; charset=utf-8");
  add_number("content-length", body_.size());
  add("date", http_date());
  add("cache-control", "no-store");
  add("vary", "Accept");
  add("content-security-policy",
      "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'");
  add("x-content-type-options", "nosniff");
  add("referrer-policy", "no-referrer");
  if (!context.request_id.empty()) add("x-request-id", context.request_id);
  if (text.retry) add_number("retry-after", context.retry_after);
  if (kind == ErrorKind::waking && !problem) add_number("refresh", context.retry_after);
  // RFC 9110 section 15.5.2: a 401 names a scheme. No browser knows this one, so none asks for a password.
  if (status_ == 401) add("www-authenticate", "EnvgateLink");
  // RFC 9110 section 15.5.6, RFC 6455 section 4.4.
  if (kind == ErrorKind::method_not_allowed) add("allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
  if (kind == ErrorKind::websocket_version) add("sec-websocket-version", "13");
}

void append_error_response(std::string& out, ErrorKind kind, const ErrorContext& context, bool close,
                           bool head_only) {
  const ErrorPage page(kind, context);
  out += "HTTP/1.1 ";
  append_number(out, static_cast<std::uint64_t>(page.status()));
  out.append(" ").append(reason_phrase(page.status())).append("\r\n");
  for (const Field& field : page.fields())
    out.append(field.name).append(": ").append(field.value).append("\r\n");
  // RFC 9110 section 15.5.22: 426 says what to upgrade to.
  const bool upgrade = kind == ErrorKind::websocket_version;
  if (upgrade) out += "upgrade: websocket\r\n";
  if (close) out += upgrade ? "connection: upgrade, close\r\n" : "connection: close\r\n";
  else if (upgrade) out += "connection: upgrade\r\n";
  out += "\r\n";
  if (!head_only) out += page.body();
}

}  // namespace envgate::http
