#include "gateway/ssh/auth/wire.hpp"

#include <algorithm>
#include <limits>

#include "base/check.hpp"

namespace envgate::ssh::auth {
namespace {

std::uint8_t octet(char c) { return static_cast<std::uint8_t>(c); }

bool is_name(std::string_view name) {
  return !name.empty() && name.size() <= kNameMax &&
         std::all_of(name.begin(), name.end(), [](char c) { return c > 0x20 && c < 0x7f; });
}

}  // namespace

bool Reader::number(std::size_t size, std::uint64_t& out) {
  if (rest_.size() < size) return false;
  out = 0;
  for (const char c : rest_.substr(0, size)) out = out << 8 | octet(c);
  rest_.remove_prefix(size);
  return true;
}

bool Reader::byte(std::uint8_t& out) {
  std::uint64_t value;
  if (!number(1, value)) return false;
  out = static_cast<std::uint8_t>(value);
  return true;
}

bool Reader::boolean(bool& out) {
  std::uint64_t value;
  if (!number(1, value)) return false;
  out = value != 0;
  return true;
}

bool Reader::uint32(std::uint32_t& out) {
  std::uint64_t value;
  if (!number(4, value)) return false;
  out = static_cast<std::uint32_t>(value);
  return true;
}

bool Reader::uint64(std::uint64_t& out) {
  std::uint64_t value;
  if (!number(8, value)) return false;
  out = value;
  return true;
}

bool Reader::string(std::string_view& out) {
  Reader ahead(rest_);
  std::uint32_t size;
  if (!ahead.uint32(size) || ahead.rest_.size() < size) return false;
  out = ahead.rest_.substr(0, size);
  rest_ = ahead.rest_.substr(size);
  return true;
}

bool Reader::mpint(std::string_view& magnitude) {
  Reader ahead(rest_);
  std::string_view bytes;
  if (!ahead.string(bytes)) return false;
  if (!bytes.empty()) {
    if (octet(bytes[0]) & 0x80) return false;  // negative
    if (bytes[0] == 0) {
      // A zero is there only to keep the next bit from being the sign.
      if (bytes.size() == 1 || !(octet(bytes[1]) & 0x80)) return false;
      bytes.remove_prefix(1);
    }
  }
  magnitude = bytes;
  *this = ahead;
  return true;
}

bool Reader::name_list(std::string_view& out) {
  Reader ahead(rest_);
  std::string_view list;
  if (!ahead.string(list)) return false;
  if (!list.empty() && list.back() == ',') return false;
  for (std::string_view left = list; !left.empty();)
    if (!is_name(next_name(left))) return false;
  out = list;
  *this = ahead;
  return true;
}

std::string_view next_name(std::string_view& list) {
  const std::size_t comma = std::min(list.find(','), list.size());
  const std::string_view name = list.substr(0, comma);
  list.remove_prefix(std::min(comma + 1, list.size()));
  return name;
}

Writer& Writer::byte(std::uint8_t value) {
  out_ += static_cast<char>(value);
  return *this;
}

Writer& Writer::uint32(std::uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) out_ += static_cast<char>(value >> shift & 0xff);
  return *this;
}

Writer& Writer::uint64(std::uint64_t value) {
  return uint32(static_cast<std::uint32_t>(value >> 32)).uint32(static_cast<std::uint32_t>(value));
}

Writer& Writer::string(std::string_view value) {
  CHECK(value.size() <= std::numeric_limits<std::uint32_t>::max());
  return uint32(static_cast<std::uint32_t>(value.size())).raw(value);
}

Writer& Writer::mpint(std::string_view magnitude) {
  magnitude.remove_prefix(std::min(magnitude.find_first_not_of('\0'), magnitude.size()));
  const bool sign = !magnitude.empty() && octet(magnitude[0]) & 0x80;
  CHECK(magnitude.size() < std::numeric_limits<std::uint32_t>::max());
  uint32(static_cast<std::uint32_t>(magnitude.size() + (sign ? 1 : 0)));
  if (sign) byte(0);
  return raw(magnitude);
}

Writer& Writer::name_list(std::span<const std::string_view> names) {
  std::string list;
  for (const std::string_view name : names) {
    CHECK(is_name(name) && name.find(',') == name.npos);
    list += (list.empty() ? "" : ",");
    list += name;
  }
  return string(list);
}

Writer& Writer::raw(std::string_view bytes) {
  out_ += bytes;
  return *this;
}

}  // namespace envgate::ssh::auth
