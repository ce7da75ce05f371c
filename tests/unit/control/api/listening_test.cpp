#include "control/api/listening.hpp"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>

#include "base/tcp_listen.hpp"

namespace envgate::control::api {
namespace {

std::vector<std::string> texts(std::string_view table) {
  std::vector<std::string> all;
  for (const Endpoint& one : parse_listening(table)) all.push_back(one.to_string());
  return all;
}

TEST(Listening, TheKernelsTable) {
  EXPECT_EQ(
      texts("  sl  local_address rem_address   st tx_queue rx_queue\n"
            "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1\n"
            "   1: 00000000:0947 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 2\n"
            "   2: 0100007F:1F90 0100007F:C350 01 00000000:00000000 00:00000000 00000000     0        0 3\n"
            "   3: 00000000000000000000000001000000:0016 00000000000000000000000000000000:0000 0A 0\n"),
      (std::vector<std::string>{"127.0.0.1:8080", "0.0.0.0:2375", "[::1]:22"}));
  EXPECT_TRUE(texts("").empty());
  EXPECT_TRUE(
      texts("x\n 0: 7F:1 0 0A\n 0: 0100007F 0 0A\n 0: 0100007F:FFFFF 0 0A\n 0: G100007F:1 0 0A").empty());
}

TEST(Listening, FindsOneOfOurOwn) {
  const auto socket = bind_listener({*IpAddress::parse("127.0.0.1"), 0}, {});
  ASSERT_TRUE(socket);
  const auto here = listening_here();
  EXPECT_NE(std::find(here.begin(), here.end(), *local_endpoint(socket->get())), here.end());
}

TEST(Listening, WhatIsPrivate) {
  for (const char* text :
       {"127.9.9.9", "::1", "10.1.2.3", "172.31.0.1", "192.168.1.1", "100.64.0.1", "fd00::1"})
    EXPECT_TRUE(is_private(*IpAddress::parse(text))) << text;
  for (const char* text : {"0.0.0.0", "::", "8.8.8.8", "172.32.0.1", "2001:db8::1"})
    EXPECT_FALSE(is_private(*IpAddress::parse(text))) << text;
}

}  // namespace
}  // namespace envgate::control::api
