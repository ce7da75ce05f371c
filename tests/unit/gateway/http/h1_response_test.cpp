#include <gtest/gtest.h>

#include <functional>

#include "tests/unit/gateway/http/h1_feed.hpp"

namespace envgate::http {
namespace {

using namespace std::string_view_literals;
using test::ParsedResponse;

struct Refusal {
  std::string_view input;
  std::string_view reason;
  ResponseContext context = {};
};

constexpr ResponseContext kHead{Method::head, Upgrade::none};
constexpr ResponseContext kAsked{Method::get, Upgrade::websocket};

#define OK "HTTP/1.1 200 OK\r\n"

constexpr Refusal kRefusals[] = {
    {OK "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "length_and_transfer_encoding"},
    {OK "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "length_and_transfer_encoding", kHead},
    {OK "Content-Length: 1\r\nContent-Length: 1\r\n\r\n", "two_lengths"},
    {OK "Content-Length: 1\r\nContent-Length: 2\r\n\r\n", "two_lengths"},
    {OK "Content-Length: 1, 1\r\n\r\n", "bad_length"},
    {OK "Content-Length: \r\n\r\n", "bad_length"},
    {OK "Content-Length: 1e3\r\n\r\n", "bad_length"},
    {OK "Transfer-Encoding: gzip, chunked\r\n\r\n", "transfer_encoding_not_chunked"},
    {OK "Transfer-Encoding: identity\r\n\r\n", "transfer_encoding_not_chunked"},
    {OK "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", "two_transfer_encodings"},
    {"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "transfer_encoding_in_http10"},
    {"HTTP/1.1 200 OK\nContent-Length: 1\n\n", "bare_lf"},
    {OK "X: a\rY: b\r\n\r\n", "bare_cr"},
    {OK "X: a\0\r\n\r\n"sv, "nul"},
    {OK "X: a\x08\r\n\r\n", "control_byte"},
    {OK "X: a\r\n b\r\n\r\n", "obs_fold"},
    {OK "Content-Length : 1\r\n\r\n", "space_before_colon"},
    {OK "no colon\r\n\r\n", "space_before_colon"},
    {OK "nocolon\r\n\r\n", "no_colon"},
    {OK ": x\r\n\r\n", "empty_name"},
    {"\r\nHTTP/1.1 200 OK\r\n\r\n", "bad_status_line"},
    {"HTTP/2.0 200 OK\r\n\r\n", "bad_status_line"},
    {"HTTP/1.2 200 OK\r\n\r\n", "bad_status_line"},
    {"HTTP/1.1 20 OK\r\n\r\n", "bad_status_line"},
    {"HTTP/1.1 2000 OK\r\n\r\n", "bad_status_line"},
    {"HTTP/1.1  200 OK\r\n\r\n", "bad_status_line"},
    {"HTTP/1.1 200OK\r\n\r\n", "bad_status_line"},
    {"ICY 200 OK\r\n\r\n", "bad_status_line"},
    {"SSH-2.0-OpenSSH_9.2\r\n\r\n", "bad_status_line"},
    {"HTTP/1.1 099 X\r\n\r\n", "bad_status"},
    {"HTTP/1.1 600 X\r\n\r\n", "bad_status"},
    {"HTTP/1.1 100 Continue\r\nContent-Length: 5\r\n\r\n", "body_in_1xx"},
    {"HTTP/1.1 103 Early Hints\r\nTransfer-Encoding: chunked\r\n\r\n", "body_in_1xx"},
    {"HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", "unasked_101"},
    {"HTTP/1.1 101 X\r\nUpgrade: websocket\r\n\r\n", "bad_101", kAsked},
    {"HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n", "bad_101", kAsked},
    {"HTTP/1.0 101 X\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", "bad_101", kAsked},
};

void expect_refused(std::string_view input, std::string_view reason, const ResponseContext& context) {
  std::mt19937 random(3);
  for (int round = 0; round < 6; ++round) {
    ParsedResponse parsed;
    test::parse_response(input, context,
                         round == 0 ? std::vector<std::size_t>() : test::random_cuts(random, input.size()),
                         parsed);
    EXPECT_EQ(parsed.verdict, (Verdict{502, reason}))
        << parsed.verdict.reason << " for " << input.substr(0, 120);
  }
}

TEST(H1Response, RefusesWhatTheTableSays) {
  for (const Refusal& row : kRefusals) expect_refused(row.input, row.reason, row.context);
}

TEST(H1Response, RefusesWhatIsTooLong) {
  std::string many = OK, large = OK;
  for (int i = 0; i < 101; ++i) many += "X: a\r\n";
  for (int i = 0; i < 6; ++i) large += "X: " + std::string(15000, 'a') + "\r\n";
  expect_refused("HTTP/1.1 200 " + std::string(9000, 'a'), "first_line_too_long", {});
  expect_refused(OK "X: " + std::string(17000, 'a'), "field_line_too_long", {});
  expect_refused(many + "\r\n", "too_many_fields", {});
  expect_refused(large + "\r\n", "head_too_long", {});
}

struct Accepted {
  std::string_view input;
  std::function<bool(const ResponseHead&)> holds;
  ResponseContext context = {};
};

TEST(H1Response, UnderstandsWhatItAccepts) {
  const std::vector<Accepted> rows = {
      {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
       [](auto& h) {
         return h.status == 200 && h.reason == "OK" && h.framing == Framing::length &&
                h.content_length == 5 && h.keep_alive && !h.informational();
       }},
      {"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n",
       [](auto& h) { return h.reason.empty() && h.framing == Framing::length && h.has_content_length; }},
      {"HTTP/1.1 200 \r\nTransfer-Encoding: CHUNKED\r\n\r\n",
       [](auto& h) { return h.framing == Framing::chunked && h.keep_alive; }},
      {"HTTP/1.1 200 OK\r\n\r\n", [](auto& h) { return h.framing == Framing::until_end && !h.keep_alive; }},
      {"HTTP/1.1 200 OK\r\nConnection: keep-alive\r\n\r\n",
       [](auto& h) { return h.framing == Framing::until_end && !h.keep_alive; }},
      {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\n",
       [](auto& h) { return !h.keep_alive; }},
      {"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n", [](auto& h) { return !h.keep_alive; }},
      {"HTTP/1.0 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\n",
       [](auto& h) { return h.keep_alive; }},
      {"HTTP/1.1 204 No Content\r\n\r\n", [](auto& h) { return h.framing == Framing::none && h.keep_alive; }},
      {"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
       [](auto& h) { return h.framing == Framing::none && h.keep_alive && !h.has_content_length; }},
      {"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n",
       [](auto& h) { return h.framing == Framing::none && !h.keep_alive && !h.has_content_length; }},
      {"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n",
       [](auto& h) { return h.framing == Framing::none && !h.keep_alive; }},
      {"HTTP/1.1 304 Not Modified\r\nContent-Length: 500\r\n\r\n",
       [](auto& h) {
         return h.framing == Framing::none && h.keep_alive && h.has_content_length && h.content_length == 500;
       }},
      {"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n",
       [](auto& h) { return h.framing == Framing::none && h.keep_alive && h.content_length == 500; }, kHead},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
       [](auto& h) { return h.framing == Framing::none && h.keep_alive && !h.has_content_length; }, kHead},
      {"HTTP/1.1 200 OK\r\n\r\n", [](auto& h) { return h.framing == Framing::none && h.keep_alive; }, kHead},
      {"HTTP/1.1 100 Continue\r\n\r\n",
       [](auto& h) { return h.informational() && h.framing == Framing::none && h.keep_alive; }},
      {"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n",
       [](auto& h) { return h.informational() && h.fields.size() == 1; }},
      {"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\nContent-Length: "
       "0\r\n\r\n",
       [](auto& h) {
         return h.upgrade == Upgrade::websocket && !h.informational() && !h.keep_alive &&
                !h.has_content_length;
       },
       kAsked},
      {"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\n",
       [](auto& h) { return h.upgrade == Upgrade::none && h.content_length == 2; }, kAsked},
      {"HTTP/1.1 200 caf\xc3\xa9\tbar\r\nHost: x\r\nHost: y\r\nContent-Length: 0\r\n\r\n",
       [](auto& h) { return h.reason == "caf\xc3\xa9\tbar"; }},
  };
  for (const Accepted& row : rows) {
    for (const auto& cuts : {std::vector<std::size_t>(), test::every_byte(row.input.size())}) {
      ParsedResponse parsed;
      test::parse_response(row.input, row.context, cuts, parsed);
      EXPECT_TRUE(parsed.complete && parsed.verdict.ok()) << row.input << parsed.verdict.reason;
      EXPECT_TRUE(row.holds(parsed.head)) << row.input;
      EXPECT_EQ(parsed.consumed, row.input.size());
    }
  }
}

TEST(H1Response, TheFinalAnswerFollowsTheInformationalOne) {
  const std::string_view two =
      "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx";
  const HeadLimits limits;
  HeadScanner scanner(Side::response, limits);
  ResponseHead head;
  const Scan first = scanner.scan(two);
  ASSERT_TRUE(parse_response_head(first.head, {}, head).ok());
  EXPECT_TRUE(head.informational());
  scanner.reset();
  const Scan second = scanner.scan(two.substr(first.head.size()));
  ASSERT_EQ(second.state, Scan::complete);
  ASSERT_TRUE(parse_response_head(second.head, {}, head).ok());
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(first.head.size() + second.head.size(), two.size() - 1);
}

}  // namespace
}  // namespace envgate::http
