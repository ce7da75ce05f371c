#include "gateway/http/websocket.hpp"

#include <gtest/gtest.h>

#include "tests/unit/gateway/http/h1_feed.hpp"

namespace envgate::http {
namespace {

constexpr std::string_view kKey = "dGhlIHNhbXBsZSBub25jZQ==";  // RFC 6455 section 1.3
constexpr std::string_view kAccept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

TEST(WebSocket, AcceptIsTheOneOfTheRfc) {
  const auto accept = websocket_accept(kKey);
  EXPECT_EQ(std::string_view(accept.data(), accept.size()), kAccept);
}

TEST(WebSocket, RequestsAreChecked) {
  const struct {
    std::string fields;
    int status;
    std::string_view reason;
  } rows[] = {
      {"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n", 0, ""},
      {"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", 400, "no_websocket_version"},
      {"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 8\r\n", 426,
       "websocket_version"},
      {"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13, 8\r\n", 426,
       "websocket_version"},
      {"Sec-WebSocket-Version: 13\r\n", 400, "bad_websocket_key"},
      {"Sec-WebSocket-Key: short==\r\nSec-WebSocket-Version: 13\r\n", 400, "bad_websocket_key"},
      {"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZ!==\r\nSec-WebSocket-Version: 13\r\n", 400,
       "bad_websocket_key"},
      {"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQAA\r\nSec-WebSocket-Version: 13\r\n", 400,
       "bad_websocket_key"},
      {"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
       "Sec-WebSocket-Version: 13\r\n",
       400, "bad_websocket_key"},
      {"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Version: "
       "13\r\n",
       400, "no_websocket_version"},
  };
  for (const auto& row : rows) {
    test::ParsedRequest parsed;
    test::parse_request(
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" + row.fields + "\r\n",
        {}, parsed);
    ASSERT_EQ(parsed.head.upgrade, Upgrade::websocket);
    EXPECT_EQ(check_websocket_request(parsed.head), (Verdict{row.status, row.reason})) << row.fields;
  }
}

TEST(WebSocket, OnlyATrueAcceptOpensTheTunnel) {
  const struct {
    std::string fields;
    std::string_view reason;
  } rows[] = {
      {"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n", ""},
      {"", "bad_websocket_accept"},
      {"Sec-WebSocket-Accept: S3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n", "bad_websocket_accept"},
      {"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Accept: "
       "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n",
       "bad_websocket_accept"},
  };
  for (const auto& row : rows) {
    test::ParsedResponse parsed;
    test::parse_response(
        "HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" + row.fields + "\r\n",
        {Method::get, Upgrade::websocket}, {}, parsed);
    ASSERT_TRUE(parsed.verdict.ok());
    EXPECT_EQ(check_websocket_response(parsed.head, kKey).reason, row.reason) << row.fields;
  }
}

TEST(WebSocket, MadeKeysAreGoodAndNew) {
  const auto one = generate_websocket_key(), two = generate_websocket_key();
  EXPECT_TRUE(is_websocket_key({one.data(), one.size()}));
  EXPECT_NE(one, two);
}

}  // namespace
}  // namespace envgate::http
