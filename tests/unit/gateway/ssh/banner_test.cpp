#include "gateway/ssh/banner.hpp"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace envgate::ssh {
namespace {

using namespace std::string_literals;

struct Row {
  Peer peer;
  std::string input;
  std::string_view reason, software = "";
};

std::vector<Row> rows() {
  std::string many;
  for (int i = 0; i < 100; ++i) many += std::string(99, 'x') + "\n";
  return {
      {Peer::client, "SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n", "", "OpenSSH_9.2p1 Debian-2+deb12u3"},
      {Peer::client, "SSH-1.99-x\r\n", "", "x"},
      {Peer::client, "SSH-2.0-PuTTY_Release_0.78\n", "", "PuTTY_Release_0.78"},
      {Peer::client, "SSH-2.0-" + std::string(245, 'a') + "\r\n", "", std::string_view()},
      {Peer::client, "SSH-2.0-" + std::string(246, 'a') + "\r\n", "identification_too_long"},
      {Peer::client, "SSH-2.0-" + std::string(247, 'a'), "identification_too_long"},
      {Peer::client, "SSH-2.0-\r\n", "no_software_version"},
      {Peer::client, "SSH-2.0- x\r\n", "no_software_version"},
      {Peer::client, "SSH-2.0-x\ry\n", "not_printable"},
      {Peer::client, "SSH-2.0-x\0\r\n"s, "not_printable"},
      {Peer::client, "SSH-2.0-x\ty\r\n", "not_printable"},
      {Peer::client, "SSH-2.0-x\xc3\xa9\r\n", "not_printable"},
      {Peer::client, "SSH-1.5-x\r\n", "old_protocol"},
      {Peer::client, "SSH-2.1-x\r\n", "old_protocol"},
      {Peer::client, "ssh-2.0-x\r\n", "not_ssh"},
      {Peer::client, "GET / HTTP/1.1\r\n", "not_ssh"},
      {Peer::client, "\x16\x03\x01"s, "not_ssh"},
      {Peer::client, "hello\r\nSSH-2.0-x\r\n", "not_ssh"},
      {Peer::server, "SSH-2.0-dropbear_2022.83\r\n", "", "dropbear_2022.83"},
      {Peer::server, "Welcome\r\nS\r\nSSH is here\r\n\r\nSSH-2.0-x\r\n", "", "x"},
      {Peer::server, many.substr(0, 8000) + "SSH-2.0-x\r\n", "", "x"},
      {Peer::server, "Welcome\r\nSSH-1.5-x\r\n", "old_protocol"},
      {Peer::server, "a\0b\r\n"s, "nul"},
      {Peer::server, many, "too_many_lines"},
      {Peer::server, std::string(1025, 'a'), "line_too_long"},
  };
}

Banner feed(const Row& row, std::mt19937* random) {
  BannerScanner scanner(row.peer);
  Banner banner;
  for (std::size_t size = 0; size < row.input.size() && banner.state == Banner::need_more;) {
    size = random ? std::min<std::size_t>(size + 1 + (*random)() % 9, row.input.size()) : size + 1;
    banner = scanner.scan(std::string_view(row.input).substr(0, size));
    const bool whole = size == row.input.size() || !row.reason.empty();
    EXPECT_TRUE(whole || banner.state == Banner::need_more) << row.input;
  }
  return banner;
}

TEST(Banner, TellsSshFromTheRest) {
  std::mt19937 random(6);
  for (const Row& row : rows()) {
    for (int round = 0; round < 6; ++round) {
      BannerScanner scanner(row.peer);
      const Banner banner = round == 0 ? scanner.scan(row.input) : feed(row, round == 1 ? nullptr : &random);
      EXPECT_EQ(banner.state, row.reason.empty() ? Banner::ssh : Banner::not_ssh) << row.input;
      EXPECT_EQ(banner.reason, row.reason) << row.input;
      if (!row.reason.empty()) continue;
      EXPECT_EQ(banner.size, row.input.size());
      EXPECT_TRUE(row.software.empty() || banner.software == row.software) << banner.software;
    }
  }
}

TEST(Banner, StopsAtItsLine) {
  BannerScanner scanner(Peer::client);
  EXPECT_EQ(scanner.scan("").state, Banner::need_more);
  const Banner banner = scanner.scan("SSH-2.0-x\r\n\0\0\1\2"s);
  EXPECT_EQ(banner.state, Banner::ssh);
  EXPECT_EQ(banner.size, 11u);
}

TEST(Banner, AWrongFirstByteIsEnough) {
  BannerScanner scanner(Peer::client);
  EXPECT_EQ(scanner.scan("G").state, Banner::not_ssh);
}

}  // namespace
}  // namespace envgate::ssh
