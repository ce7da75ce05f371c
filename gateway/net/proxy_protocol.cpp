#include "gateway/net/proxy_protocol.hpp"

#include <algorithm>
#include <array>
#include <cstdint>

namespace envgate::net {
namespace {

constexpr std::string_view kV1 = "PROXY ";
constexpr std::string_view kV2("\r\n\r\n\0\r\nQUIT\n", 12);
constexpr std::size_t kV2Fixed = 16;

ProxyHeader invalid(std::string_view reason) {
  ProxyHeader header;
  header.state = ProxyHeader::invalid;
  header.reason = reason;
  return header;
}

ProxyHeader complete(std::size_t consumed) {
  ProxyHeader header;
  header.state = ProxyHeader::complete;
  header.consumed = consumed;
  return header;
}

// Digits without a leading zero, 0 to 65535.
bool parse_port(std::string_view text, std::uint16_t& out) {
  if (text.empty() || text.size() > 5 || (text.size() > 1 && text[0] == '0')) return false;
  std::uint32_t value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return false;
    value = value * 10 + static_cast<std::uint32_t>(c - '0');
  }
  out = static_cast<std::uint16_t>(value);
  return value <= 65535;
}

bool parse_address(std::string_view text, bool v6, IpAddress& out) {
  if ((text.find(':') != std::string_view::npos) != v6) return false;
  const auto address = IpAddress::parse(text);
  if (address) out = *address;
  return address.has_value();
}

// "TCP4 SRC DST SPORT DPORT", exactly one space between each.
ProxyHeader parse_v1_line(std::string_view line, std::size_t consumed) {
  if (line == "UNKNOWN" || line.starts_with("UNKNOWN "))
    return complete(consumed);  // what follows is ignored
  std::array<std::string_view, 5> parts;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const std::size_t space = i + 1 < parts.size() ? line.find(' ') : std::string_view::npos;
    if (i + 1 < parts.size() && space == std::string_view::npos) return invalid("bad_line");
    parts[i] = line.substr(0, space);
    line.remove_prefix(space == std::string_view::npos ? line.size() : space + 1);
  }
  const bool v6 = parts[0] == "TCP6";
  if (!v6 && parts[0] != "TCP4") return invalid("bad_family");
  ProxyHeader header = complete(consumed);
  header.has_addresses = true;
  if (!parse_address(parts[1], v6, header.source.address) ||
      !parse_address(parts[2], v6, header.destination.address))
    return invalid("bad_address");
  if (!parse_port(parts[3], header.source.port) || !parse_port(parts[4], header.destination.port))
    return invalid("bad_port");
  return header;
}

ProxyHeader parse_v1(std::string_view bytes) {
  const std::string_view window = bytes.substr(0, kProxyV1Max);
  const std::size_t end = window.find_first_of("\r\n");
  if (end == std::string_view::npos)
    return window.size() < kProxyV1Max ? ProxyHeader{} : invalid("line_too_long");
  if (window[end] == '\n') return invalid("bare_lf");
  if (end + 1 == window.size()) return window.size() < kProxyV1Max ? ProxyHeader{} : invalid("line_too_long");
  if (window[end + 1] != '\n') return invalid("bare_cr");
  return parse_v1_line(window.substr(kV1.size(), end - kV1.size()), end + 2);
}

std::uint16_t read16(std::string_view bytes, std::size_t at) {
  return static_cast<std::uint16_t>(static_cast<unsigned char>(bytes[at]) << 8 |
                                    static_cast<unsigned char>(bytes[at + 1]));
}

IpAddress read_address(std::string_view bytes, std::size_t at, std::size_t size) {
  if (size == 4)
    return IpAddress::v4(static_cast<std::uint32_t>(read16(bytes, at)) << 16 | read16(bytes, at + 2));
  std::array<std::uint8_t, 16> raw;
  std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), 16, raw.begin());
  return IpAddress::from_bytes(raw);
}

std::uint32_t crc32c(
    std::string_view bytes) {  // RFC 3720 appendix B.4; bit by bit: a few hundred bytes, once
  std::uint32_t crc = ~0u;
  for (const char c : bytes) {
    crc ^= static_cast<unsigned char>(c);
    for (int i = 0; i < 8; ++i) crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
  }
  return ~crc;
}

// Section 2.2.3: the sum over the whole header, its own four bytes taken as zero.
bool checksum_holds(std::string_view header, std::size_t value_at) {
  std::string copy(header);
  copy.replace(value_at, 4, 4, '\0');
  const std::uint32_t sent =
      static_cast<std::uint32_t>(read16(header, value_at)) << 16 | read16(header, value_at + 2);
  return crc32c(copy) == sent;
}

// A reason, or empty. The values are skipped; only their bounds and the checksum are held to the letter.
std::string_view check_tlvs(std::string_view header, std::size_t at) {
  constexpr char kCrc32c = 0x03;
  while (at < header.size()) {
    if (header.size() - at < 3) return "bad_tlv";
    const std::size_t length = read16(header, at + 1);
    if (header.size() - at - 3 < length) return "bad_tlv";
    if (header[at] == kCrc32c && (length != 4 || !checksum_holds(header, at + 3))) return "bad_checksum";
    at += 3 + length;
  }
  return {};
}

ProxyHeader parse_v2_whole(std::string_view header) {
  ProxyHeader out = complete(header.size());
  const auto command = static_cast<unsigned char>(header[12]),
             family = static_cast<unsigned char>(header[13]);
  if (command == 0x20) return out;  // LOCAL: the rest is to be ignored
  if (family == 0x00) return out;   // AF_UNSPEC
  const std::size_t size = family == 0x11 ? 4 : 16;
  const std::size_t addresses = 2 * size + 4;
  if (header.size() - kV2Fixed < addresses) return invalid("too_short");
  if (const auto reason = check_tlvs(header, kV2Fixed + addresses); !reason.empty()) return invalid(reason);
  out.has_addresses = true;
  out.source = {read_address(header, kV2Fixed, size), read16(header, kV2Fixed + 2 * size)};
  out.destination = {read_address(header, kV2Fixed + size, size), read16(header, kV2Fixed + 2 * size + 2)};
  return out;
}

ProxyHeader parse_v2(std::string_view bytes) {
  if (bytes.size() > 12) {
    const auto command = static_cast<unsigned char>(bytes[12]);
    if (command != 0x20 && command != 0x21) return invalid("bad_version_or_command");
  }
  if (bytes.size() > 13 && bytes[12] == 0x21) {
    const auto family = static_cast<unsigned char>(bytes[13]);
    if (family != 0x00 && family != 0x11 && family != 0x21) return invalid("bad_family");  // datagrams, Unix
  }
  if (bytes.size() < kV2Fixed) return {};
  const std::size_t whole = kV2Fixed + read16(bytes, 14);
  if (whole > kProxyV2Max) return invalid("too_long");
  return bytes.size() < whole ? ProxyHeader{} : parse_v2_whole(bytes.substr(0, whole));
}

}  // namespace

ProxyHeader parse_proxy_header(std::string_view bytes) {
  const auto agrees = [&](std::string_view start) {
    return bytes.substr(0, start.size()) == start.substr(0, bytes.size());
  };
  if (agrees(kV1)) return bytes.size() <= kV1.size() ? ProxyHeader{} : parse_v1(bytes);
  if (agrees(kV2)) return bytes.size() <= kV2.size() ? ProxyHeader{} : parse_v2(bytes);
  return invalid("not_a_proxy_header");
}

}  // namespace envgate::net
