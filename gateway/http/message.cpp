#include "gateway/http/message.hpp"

namespace envgate::http {
namespace {

constexpr std::uint8_t kNameByte = 1;     // of a DNS name, and '_', which people use
constexpr std::uint8_t kLiteralByte = 2;  // of an IP literal
struct HostTable {
  std::uint8_t at[256]{};
  constexpr HostTable() {
    for (int c = '0'; c <= '9'; ++c) at[c] = kNameByte | kLiteralByte;
    for (int c = 'a'; c <= 'z'; ++c) at[c] = at[c - 0x20] = c <= 'f' ? kNameByte | kLiteralByte : kNameByte;
    at[int{'-'}] = at[int{'_'}] = kNameByte;
    at[int{'.'}] = kNameByte | kLiteralByte;
    at[int{':'}] = kLiteralByte;
  }
};
constexpr HostTable kHostTable;
bool has(char c, std::uint8_t kind) { return kHostTable.at[static_cast<unsigned char>(c)] & kind; }

constexpr std::size_t kHostMax = 255;  // RFC 1035 section 2.3.4

bool parse_authority_port(std::string_view digits, std::uint16_t& out) {
  if (digits.empty() || digits.size() > 5) return false;
  unsigned value = 0;
  for (const char c : digits) {
    if (c < '0' || c > '9') return false;
    value = value * 10 + static_cast<unsigned>(c - '0');
  }
  if (value == 0 || value > 65535) return false;
  out = static_cast<std::uint16_t>(value);
  return true;
}

// The length of the host at the front of `text`, or 0 where it is not one.
std::size_t host_length(std::string_view text) {
  std::size_t i = 0;
  if (!text.empty() && text[0] == '[') {  // IP-literal: only its alphabet is checked here
    for (i = 1; i < text.size() && has(text[i], kLiteralByte);) ++i;
    return i > 2 && i < text.size() && text[i] == ']' ? i + 1 : 0;
  }
  while (i < text.size() && has(text[i], kNameByte)) ++i;
  return i <= kHostMax ? i : 0;
}

}  // namespace

bool parse_authority(std::string_view text, Authority& out) {
  const std::size_t length = host_length(text);
  if (length == 0) return false;
  out.text = text;
  out.host = text.substr(0, length);
  out.port = 0;
  if (length == text.size()) return true;
  return text[length] == ':' && parse_authority_port(text.substr(length + 1), out.port);
}

void RequestHead::clear() {
  FieldList kept = std::move(fields);
  kept.clear();
  *this = RequestHead();
  fields = std::move(kept);
}

void ResponseHead::clear() {
  FieldList kept = std::move(fields);
  kept.clear();
  *this = ResponseHead();
  fields = std::move(kept);
}

Method method_of(std::string_view name) {
  switch (name.size()) {
    case 3: return name == "GET" ? Method::get : name == "PUT" ? Method::put : Method::other;
    case 4: return name == "POST" ? Method::post : name == "HEAD" ? Method::head : Method::other;
    case 5: return name == "PATCH" ? Method::patch : name == "TRACE" ? Method::trace : Method::other;
    case 6: return name == "DELETE" ? Method::delete_ : Method::other;
    case 7: return name == "OPTIONS" ? Method::options : name == "CONNECT" ? Method::connect : Method::other;
    default: return Method::other;
  }
}

std::string_view version_text(Version version) {
  return version == Version::http10 ? "HTTP/1.0" : version == Version::http11 ? "HTTP/1.1" : "HTTP/2.0";
}

// Source: RFC 9110 section 15, RFC 6585, RFC 8297, RFC 8470, and WebDAV's 102, 207, 208, 226, 422 to 424,
// 507, 508.
std::string_view reason_phrase(int status) {
  switch (status) {
    case 100: return "Continue";
    case 101: return "Switching Protocols";
    case 102: return "Processing";
    case 103: return "Early Hints";
    case 200: return "OK";
    case 201: return "Created";
    case 202: return "Accepted";
    case 203: return "Non-Authoritative Information";
    case 204: return "No Content";
    case 205: return "Reset Content";
    case 206: return "Partial Content";
    case 207: return "Multi-Status";
    case 208: return "Already Reported";
    case 226: return "IM Used";
    case 300: return "Multiple Choices";
    case 301: return "Moved Permanently";
    case 302: return "Found";
    case 303: return "See Other";
    case 304: return "Not Modified";
    case 305: return "Use Proxy";
    case 307: return "Temporary Redirect";
    case 308: return "Permanent Redirect";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 402: return "Payment Required";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 406: return "Not Acceptable";
    case 407: return "Proxy Authentication Required";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 410: return "Gone";
    case 411: return "Length Required";
    case 412: return "Precondition Failed";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 415: return "Unsupported Media Type";
    case 416: return "Range Not Satisfiable";
    case 417: return "Expectation Failed";
    case 421: return "Misdirected Request";
    case 422: return "Unprocessable Content";
    case 423: return "Locked";
    case 424: return "Failed Dependency";
    case 425: return "Too Early";
    case 426: return "Upgrade Required";
    case 428: return "Precondition Required";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 451: return "Unavailable For Legal Reasons";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 505: return "HTTP Version Not Supported";
    case 507: return "Insufficient Storage";
    case 508: return "Loop Detected";
    case 511: return "Network Authentication Required";
    default: return "";
  }
}

}  // namespace envgate::http
