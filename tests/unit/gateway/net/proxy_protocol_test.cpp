#include "gateway/net/proxy_protocol.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace envgate::net {
namespace {

using namespace std::string_literals;

const std::string kSignature = "\r\n\r\n\0\r\nQUIT\n"s;

std::string v2(unsigned char command, unsigned char family, const std::string& rest) {
  std::string out = kSignature;
  out += static_cast<char>(command);
  out += static_cast<char>(family);
  out += static_cast<char>(rest.size() >> 8);
  out += static_cast<char>(rest.size());
  return out + rest;
}

const std::string kFour =
    "\xcb\x00\x71\x07\x0a\x00\x00\x01\x1f\x90\x01\xbb"s;  // 203.0.113.7:8080 to 10.0.0.1:443

struct Row {
  std::string input;
  std::string_view reason = "";
  std::string source = "";       // empty: the connection's own
  std::string destination = "";
};

std::vector<Row> rows() {
  const std::string six = "\x20\x01\x0d\xb8"s + std::string(11, '\0') + "\x01" + "\x20\x01\x0d\xb8"s +
                          std::string(11, '\0') + "\x02" + "\x00\x50\x01\xbb"s;
  return {
      {"PROXY TCP4 203.0.113.7 10.0.0.1 8080 443\r\n", "", "203.0.113.7:8080", "10.0.0.1:443"},
      {"PROXY TCP4 203.0.113.7 10.0.0.1 0 65535\r\n", "", "203.0.113.7:0", "10.0.0.1:65535"},
      {"PROXY TCP6 2001:db8::1 2001:db8::2 80 443\r\n", "", "[2001:db8::1]:80", "[2001:db8::2]:443"},
      {"PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 "
       "65535\r\n",
       "", "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
       "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535"},
      {"PROXY UNKNOWN\r\n"},
      {"PROXY UNKNOWN ffff:f whatever 65535\r\n"},
      {"PROXY UNKNOWNX\r\n", "bad_line"},
      {"PROXY TCP4 203.0.113.7 10.0.0.1 8080\r\n", "bad_line"},
      {"PROXY TCP4  203.0.113.7 10.0.0.1 8080 443\r\n", "bad_address"},
      {"PROXY TCP4 203.0.113.7 10.0.0.1 8080 443 \r\n", "bad_port"},
      {"PROXY TCP4 203.0.113.7 10.0.0.1 08080 443\r\n", "bad_port"},
      {"PROXY TCP4 203.0.113.7 10.0.0.1 65536 443\r\n", "bad_port"},
      {"PROXY TCP4 203.0.113.7 10.0.0.1 -1 443\r\n", "bad_port"},
      {"PROXY TCP4 203.0.113.07 10.0.0.1 80 443\r\n", "bad_address"},
      {"PROXY TCP4 203.0.113 10.0.0.1 80 443\r\n", "bad_address"},
      {"PROXY TCP4 ::1 10.0.0.1 80 443\r\n", "bad_address"},
      {"PROXY TCP6 1.2.3.4 ::1 80 443\r\n", "bad_address"},
      {"PROXY TCP6 fe80::1%lo ::1 80 443\r\n", "bad_address"},
      {"PROXY TCP5 1.2.3.4 1.2.3.4 80 443\r\n", "bad_family"},
      {"PROXY UDP4 1.2.3.4 1.2.3.4 80 443\r\n", "bad_family"},
      {"PROXY TCP4 1.2.3.4 1.2.3.4 80 443\n", "bare_lf"},
      {"PROXY TCP4 1.2.3.4 1.2.3.4 80 443\rX", "bare_cr"},
      {"PROXY " + std::string(101, 'a'), "line_too_long"},
      {"PROXY " + std::string(100, 'a') + "\r\n", "line_too_long"},
      {"proxy TCP4", "not_a_proxy_header"},
      {"PROXYX", "not_a_proxy_header"},
      {"GET / HTTP/1.1\r\n", "not_a_proxy_header"},
      {"\x16\x03\x01", "not_a_proxy_header"},
      {"\r\n\r\nX", "not_a_proxy_header"},
      {v2(0x21, 0x11, kFour), "", "203.0.113.7:8080", "10.0.0.1:443"},
      {v2(0x21, 0x21, six), "", "[2001:db8::1]:80", "[2001:db8::2]:443"},
      {v2(0x20, 0x00, "")},
      {v2(0x20, 0x11, kFour)},
      {v2(0x20, 0x31, "ignored")},
      {v2(0x21, 0x00, "x")},
      {v2(0x21, 0x11, kFour + "\x04\x00\x02\x00\x00"s), "", "203.0.113.7:8080", "10.0.0.1:443"},
      {v2(0x21, 0x11, kFour + "\x01\x00\x02h2\x02\x00\x00"s), "", "203.0.113.7:8080", "10.0.0.1:443"},
      {v2(0x21, 0x11, kFour + "\x01\x00\x03h2"s), "bad_tlv"},
      {v2(0x21, 0x11, kFour + "\x01\x00"s), "bad_tlv"},
      {v2(0x21, 0x11, kFour + "\x03\x00\x04\x00\x00\x00\x00"s), "bad_checksum"},
      {v2(0x21, 0x11, kFour + "\x03\x00\x03\x00\x00\x00"s), "bad_checksum"},
      {v2(0x21, 0x11, kFour.substr(0, 11)), "too_short"},
      {v2(0x21, 0x21, kFour), "too_short"},
      {v2(0x21, 0x12, kFour), "bad_family"},
      {v2(0x21, 0x31, std::string(216, 'a')), "bad_family"},
      {v2(0x21, 0x13, kFour), "bad_family"},
      {v2(0x11, 0x11, kFour), "bad_version_or_command"},
      {v2(0x22, 0x11, kFour), "bad_version_or_command"},
      {v2(0x21, 0x11, kFour + std::string(5000, '\0')), "too_long"},
  };
}

TEST(ProxyProtocol, ReadsAndRefusesAsTheTableSays) {
  for (const Row& row : rows()) {
    const std::string with_more = row.reason.empty() ? row.input + "SSH-2.0-x\r\n" : row.input;
    const ProxyHeader header = parse_proxy_header(with_more);
    EXPECT_EQ(header.reason, row.reason) << row.input;
    if (!row.reason.empty()) {
      EXPECT_EQ(header.state, ProxyHeader::invalid) << row.input;
      continue;
    }
    ASSERT_EQ(header.state, ProxyHeader::complete) << row.input;
    EXPECT_EQ(header.consumed, row.input.size());
    EXPECT_EQ(header.has_addresses, !row.source.empty()) << row.input;
    if (row.source.empty()) continue;
    EXPECT_EQ(header.source.to_string(), row.source);
    EXPECT_EQ(header.destination.to_string(), row.destination);
  }
}

TEST(ProxyProtocol, WaitsForEveryByteAndNoMore) {
  for (const Row& row : rows()) {
    if (!row.reason.empty()) continue;
    for (std::size_t size = 0; size < row.input.size(); ++size)
      EXPECT_EQ(parse_proxy_header(std::string_view(row.input).substr(0, size)).state, ProxyHeader::need_more)
          << row.input << size;
  }
}

TEST(ProxyProtocol, BytesOneByOneGiveTheSameRefusal) {
  for (const Row& row : rows()) {
    if (row.reason.empty()) continue;
    ProxyHeader header;
    for (std::size_t size = 0; size <= row.input.size() && header.state == ProxyHeader::need_more; ++size)
      header = parse_proxy_header(std::string_view(row.input).substr(0, size));
    EXPECT_EQ(header.reason, row.reason) << row.input;
  }
}

TEST(ProxyProtocol, AGoodChecksumHolds) {
  // CRC-32C of the header with its own four bytes as zero, from an implementation that gives the check value
  // e3069283.
  const std::string header = v2(0x21, 0x11, kFour + "\x03\x00\x04"s + "\x05\x4c\x1e\xcf"s);
  EXPECT_EQ(parse_proxy_header(header).state, ProxyHeader::complete);
}

}  // namespace
}  // namespace envgate::net
