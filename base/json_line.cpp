#include "base/json_line.hpp"

#include <charconv>

namespace envgate {
namespace {

// The length of the valid UTF-8 sequence at `at`, or 0. Source: RFC 3629 section 4 (no surrogates, no
// overlong).
std::size_t utf8_length(std::string_view s, std::size_t at) {
  const auto byte = [&](std::size_t i) { return i < s.size() ? static_cast<unsigned char>(s[i]) : 0u; };
  const auto tail = [&](std::size_t i) { return (byte(i) & 0xc0u) == 0x80u; };
  const unsigned b = byte(at), c = byte(at + 1);
  if (b < 0x80) return 1;
  if (b >= 0xc2 && b <= 0xdf) return tail(at + 1) ? 2 : 0;
  if (b >= 0xe0 && b <= 0xef) {
    if ((b == 0xe0 && c < 0xa0) || (b == 0xed && c > 0x9f)) return 0;
    return tail(at + 1) && tail(at + 2) ? 3 : 0;
  }
  if (b >= 0xf0 && b <= 0xf4) {
    if ((b == 0xf0 && c < 0x90) || (b == 0xf4 && c > 0x8f)) return 0;
    return tail(at + 1) && tail(at + 2) && tail(at + 3) ? 4 : 0;
  }
  return 0;
}

constexpr bool is_plain(unsigned char c) { return c >= 0x20 && c < 0x7f && c != '"' && c != '\\'; }

void append_escape(std::string& out, unsigned char c) {
  static constexpr char kHex[] = "0123456789abcdef";
  switch (c) {
    case '"': out += "\\\""; return;
    case '\\': out += "\\\\"; return;
    case '\n': out += "\\n"; return;
    case '\r': out += "\\r"; return;
    case '\t': out += "\\t"; return;
    default:
      out += "\\u00";
      out += kHex[c >> 4];
      out += kHex[c & 15];
  }
}

}  // namespace

void append_json_string(std::string& out, std::string_view value) {
  out += '"';
  for (std::size_t i = 0; i < value.size();) {
    const std::size_t begin = i;
    while (i < value.size() && is_plain(static_cast<unsigned char>(value[i]))) ++i;
    out.append(value, begin, i - begin);
    if (i == value.size()) break;
    const auto c = static_cast<unsigned char>(value[i]);
    if (c < 0x80) {
      append_escape(out, c);
      ++i;
    } else if (const std::size_t length = utf8_length(value, i)) {
      out.append(value, i, length);
      i += length;
    } else {
      out += "\\ufffd";
      ++i;
    }
  }
  out += '"';
}

void JsonLine::key(std::string_view name) {
  if (!first_) out_ += ',';
  first_ = false;
  out_ += '"';
  out_ += name;
  out_ += "\":";
}

JsonLine& JsonLine::text(std::string_view name, std::string_view value) {
  key(name);
  append_json_string(out_, value);
  return *this;
}

JsonLine& JsonLine::number(std::string_view name, std::int64_t value) {
  key(name);
  char digits[24];
  const auto result = std::to_chars(digits, digits + sizeof(digits), value);
  out_.append(digits, result.ptr);
  return *this;
}

JsonLine& JsonLine::real(std::string_view name, double value) {
  key(name);
  char digits[32];
  const auto result = std::to_chars(digits, digits + sizeof(digits), value, std::chars_format::general, 6);
  out_.append(digits, result.ptr);
  return *this;
}

JsonLine& JsonLine::boolean(std::string_view name, bool value) {
  key(name);
  out_ += value ? "true" : "false";
  return *this;
}

}  // namespace envgate
