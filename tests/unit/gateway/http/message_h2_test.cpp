#include "gateway/http/message_h2.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "gateway/http/rewrite.hpp"

namespace envgate::http {
namespace {

using namespace std::string_view_literals;
using Block = std::vector<NameValue>;

Block get_with(std::initializer_list<NameValue> more) {
  Block block = {{":method", "GET"}, {":scheme", "https"}, {":authority", "a"}, {":path", "/"}};
  block.insert(block.end(), more);
  return block;
}

Verdict build(const Block& block, bool end_stream, RequestHead& head) {
  return build_h2_request(block, end_stream, HeadLimits(), head);
}

TEST(H2Request, RefusesMalformedBlocks) {
  const std::string long_path = "/" + std::string(9000, 'a'), long_value(17000, 'a'), most(15000, 'a');
  const struct {
    Block block;
    int status;
    std::string_view reason;
    bool end_stream = true;
  } rows[] = {
      {get_with({{"Upper", "x"}}), 400, "bad_name"},
      {get_with({{"", "x"}}), 400, "bad_name"},
      {get_with({{"a b", "x"}}), 400, "bad_name"},
      {get_with({{"a:b", "x"}}), 400, "bad_name"},
      {get_with({{"a\r\nb", "x"}}), 400, "bad_name"},
      {get_with({{"a", "x\r\nevil: 1"}}), 400, "bad_value"},
      {get_with({{"a", "x\0y"sv}}), 400, "bad_value"},
      {get_with({{"a", " x"}}), 400, "bad_value"},
      {get_with({{"a", "x\t"}}), 400, "bad_value"},
      {get_with({{"connection", "close"}}), 400, "connection_specific_field"},
      {get_with({{"transfer-encoding", "chunked"}}), 400, "connection_specific_field"},
      {get_with({{"upgrade", "h2c"}}), 400, "connection_specific_field"},
      {get_with({{"keep-alive", "x"}}), 400, "connection_specific_field"},
      {get_with({{"proxy-connection", "x"}}), 400, "connection_specific_field"},
      {get_with({{"te", "gzip"}}), 400, "bad_te"},
      {get_with({{"te", "trailers, deflate"}}), 400, "bad_te"},
      {get_with({{"host", "b"}}), 400, "target_differs_from_host"},
      {get_with({{"host", "a"}, {"host", "a"}}), 400, "two_hosts"},
      {get_with({{"content-length", "1"}, {"content-length", "1"}}), 400, "two_lengths"},
      {get_with({{"content-length", "x"}}), 400, "bad_length"},
      {get_with({{"content-length", "5"}}), 400, "length_differs_from_data"},
      {get_with({{":path", "/"}}), 400, "two_pseudo_fields"},
      {get_with({{":status", "200"}}), 400, "unknown_pseudo_field"},
      {get_with({{"a", "b"}, {":protocol", "websocket"}}), 400, "pseudo_field_after_field"},
      {get_with({{":protocol", "websocket"}}), 400, "protocol_without_connect", false},
      {get_with({{"expect", "x"}}), 417, "unknown_expectation"},
      {get_with({{"a", long_value}}), 431, "field_line_too_long"},
      {get_with({{"a", most}, {"b", most}, {"c", most}, {"d", most}, {"e", most}}), 431, "head_too_long"},
      {{}, 400, "missing_pseudo_field"},
      {{{":method", "GET"}, {":scheme", "https"}, {":path", "/"}}, 400, "no_host"},
      {{{":method", "GET"}, {":scheme", "https"}, {":authority", "a"}}, 400, "missing_pseudo_field"},
      {{{":method", "GET"}, {":authority", "a"}, {":path", "/"}}, 400, "missing_pseudo_field"},
      {{{":scheme", "https"}, {":authority", "a"}, {":path", "/"}}, 400, "missing_pseudo_field"},
      {{{":method", "GET"}, {":scheme", "https"}, {":authority", "a"}, {":path", ""}},
       400,
       "empty_pseudo_field"},
      {{{":method", "GET"}, {":scheme", "https"}, {":authority", "a"}, {":path", "x"}}, 400, "bad_target"},
      {{{":method", "GET"}, {":scheme", "https"}, {":authority", "a"}, {":path", "*"}}, 400, "bad_target"},
      {{{":method", "GET"}, {":scheme", "https"}, {":authority", "a"}, {":path", "/ HTTP/1.1\r\n"}},
       400,
       "bad_target"},
      {{{":method", "GET"}, {":scheme", "https"}, {":authority", "a"}, {":path", long_path}},
       414,
       "first_line_too_long"},
      {{{":method", "GET"}, {":scheme", "https"}, {":authority", "u@a"}, {":path", "/"}}, 400, "bad_host"},
      {{{":method", "GET"}, {":scheme", "ftp"}, {":authority", "a"}, {":path", "/"}}, 400, "bad_scheme"},
      {{{":method", "G T"}, {":scheme", "https"}, {":authority", "a"}, {":path", "/"}}, 400, "bad_method"},
      {{{":method", "TRACE"}, {":scheme", "https"}, {":authority", "a"}, {":path", "/"}},
       405,
       "trace_refused"},
      {{{":method", "CONNECT"}, {":authority", "a:443"}}, 405, "connect_refused", false},
      {{{":method", "CONNECT"},
        {":protocol", "connect-udp"},
        {":scheme", "https"},
        {":authority", "a"},
        {":path", "/"}},
       501,
       "unknown_protocol",
       false},
      {{{":method", "CONNECT"},
        {":protocol", "websocket"},
        {":scheme", "https"},
        {":authority", "a"},
        {":path", "/"}},
       400,
       "upgrade_with_body",
       true},
      {{{":method", "CONNECT"}, {":protocol", "websocket"}, {":authority", "a"}, {":path", "/"}},
       400,
       "missing_pseudo_field",
       false},
  };
  for (const auto& row : rows) {
    RequestHead head;
    const Verdict verdict = build(row.block, row.end_stream, head);
    EXPECT_EQ(verdict.reason, row.reason) << (&row - rows);
    EXPECT_EQ(verdict.status, row.status) << (&row - rows);
  }
  Block many = get_with({});
  for (int i = 0; i < 101; ++i) many.push_back({"a", "b"});
  RequestHead head;
  EXPECT_EQ(build(many, true, head).reason, "too_many_fields");
}

TEST(H2Request, FillsTheSameHeadAsHttp1) {
  RequestHead head;
  ASSERT_TRUE(build({{":authority", "A.b:8443"},
                     {":path", "/x?y"},
                     {":scheme", "https"},
                     {":method", "POST"},
                     {"host", "a.B:8443"},
                     {"content-length", "5"},
                     {"te", "trailers"},
                     {"expect", "100-continue"}},
                    false, head)
                  .ok());
  EXPECT_EQ(head.version, Version::http2);
  EXPECT_EQ(head.method, Method::post);
  EXPECT_EQ(head.path, "/x");
  EXPECT_EQ(head.query, "?y");
  EXPECT_EQ(head.authority.text, "A.b:8443");
  EXPECT_EQ(head.framing, Framing::length);
  EXPECT_EQ(head.content_length, 5u);
  EXPECT_TRUE(head.accepts_trailers && head.expect_continue && head.keep_alive);
  EXPECT_EQ(head.fields.size(), 4u);

  ASSERT_TRUE(build(get_with({}), true, head).ok());
  EXPECT_EQ(head.framing, Framing::none);
  EXPECT_EQ(target_framing(head), Framing::none);
  ASSERT_TRUE(build(get_with({}), false, head).ok());
  EXPECT_EQ(head.framing, Framing::until_end);
  EXPECT_EQ(target_framing(head), Framing::chunked);
  ASSERT_TRUE(
      build({{":method", "GET"}, {":scheme", "https"}, {":path", "/"}, {"host", "b"}}, true, head).ok());
  EXPECT_EQ(head.authority.text, "b");
  ASSERT_TRUE(
      build({{":method", "OPTIONS"}, {":scheme", "https"}, {":authority", "b"}, {":path", "*"}}, true, head)
          .ok());
  EXPECT_EQ(head.path, "*");
}

TEST(H2Request, ExtendedConnectIsAnUpgrade) {
  RequestHead head;
  ASSERT_TRUE(build({{":method", "CONNECT"},
                     {":protocol", "websocket"},
                     {":scheme", "https"},
                     {":authority", "a"},
                     {":path", "/ws"},
                     {"sec-websocket-version", "13"}},
                    false, head)
                  .ok());
  EXPECT_EQ(head.upgrade, Upgrade::websocket);
  EXPECT_EQ(head.framing, Framing::none);
  EXPECT_FALSE(head.has_body());
}

TEST(H2Request, TrailersAreChecked) {
  EXPECT_TRUE(is_good_h2_trailer({"server-timing", "x"}));
  EXPECT_FALSE(is_good_h2_trailer({":status", "x"}));
  EXPECT_FALSE(is_good_h2_trailer({"Upper", "x"}));
  EXPECT_FALSE(is_good_h2_trailer({"a", "x\ny"}));
  EXPECT_FALSE(is_good_h2_trailer({"content-length", "1"}));
  EXPECT_FALSE(is_good_h2_trailer({"authorization", "x"}));
}

}  // namespace
}  // namespace envgate::http
