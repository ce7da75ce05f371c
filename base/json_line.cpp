#include "base/json_line.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

#include "base/utf8.hpp"

namespace envgate {
namespace {

constexpr bool is_plain(unsigned char c) { return c >= 0x20 && c < 0x7f && c != '"' && c != '\\'; }

// How many bytes at the front need no escape. Eight at a time: no byte of a word is below 0x20, above 0x7e, a
// quote or a backslash. A borrow may tell of a byte above a true find only, so nothing is passed over.
std::size_t plain_bytes(std::string_view text) {
  constexpr std::uint64_t kOnes = 0x0101010101010101, kHigh = 0x8080808080808080;
  const auto zero_bytes = [](std::uint64_t word) { return (word - kOnes) & ~word & kHigh; };
  std::size_t at = 0;
  for (; at + 8 <= text.size(); at += 8) {
    std::uint64_t word;
    std::memcpy(&word, text.data() + at, 8);
    const std::uint64_t outside = (word - kOnes * 0x20) | word | (word + kOnes);
    const std::uint64_t special = zero_bytes(word ^ (kOnes * '"')) | zero_bytes(word ^ (kOnes * '\\'));
    if (((outside & kHigh) | special) != 0) break;
  }
  while (at < text.size() && is_plain(static_cast<unsigned char>(text[at]))) ++at;
  return at;
}

char* copy(char* to, std::string_view text) {
  if (text.empty()) return to;  // its pointer may be null, which memcpy does not take
  std::memcpy(to, text.data(), text.size());
  return to + text.size();
}

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
    const std::size_t plain = plain_bytes(value.substr(i));
    out.append(value, i, plain);
    i += plain;
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

// Room for `,"name":` and `size` bytes, the name written: where the value goes.
char* JsonLine::member(std::string_view name, std::size_t size) {
  const std::size_t before = out_.size();
  out_.resize(before + (first_ ? 3 : 4) + name.size() + size);
  char* at = out_.data() + before;
  if (!first_) *at++ = ',';
  first_ = false;
  *at++ = '"';
  at = copy(at, name);
  *at++ = '"';
  *at++ = ':';
  return at;
}

JsonLine& JsonLine::raw(std::string_view name, std::string_view value) {
  copy(member(name, value.size()), value);
  return *this;
}

JsonLine& JsonLine::text(std::string_view name, std::string_view value) {
  if (plain_bytes(value) != value.size()) {
    member(name, 0);
    append_json_string(out_, value);
    return *this;
  }
  char* at = member(name, value.size() + 2);
  *at++ = '"';
  *copy(at, value) = '"';
  return *this;
}

JsonLine& JsonLine::number(std::string_view name, std::int64_t value) {
  std::array<char, 24> digits;
  const auto [end, error] = std::to_chars(digits.begin(), digits.end(), value);
  return raw(name, {digits.data(), end});
}

JsonLine& JsonLine::seconds(std::string_view name, std::chrono::nanoseconds value) {
  const std::int64_t micros = std::max<std::int64_t>(value.count() / 1000, 0);
  std::array<char, 24> digits;
  char* at = std::to_chars(digits.begin(), digits.end(), micros / 1'000'000).ptr;
  *at++ = '.';
  for (std::int64_t rest = micros % 1'000'000, unit = 100'000; unit > 0; rest %= unit, unit /= 10)
    *at++ = static_cast<char>('0' + rest / unit);
  return raw(name, {digits.data(), at});
}

JsonLine& JsonLine::boolean(std::string_view name, bool value) { return raw(name, value ? "true" : "false"); }

}  // namespace envgate
