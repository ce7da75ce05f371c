#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "tests/unit/gateway/http/h1_feed.hpp"

namespace envgate::http {
namespace {

using namespace std::string_view_literals;
using test::ParsedRequest;

// The table of the issue: input, answer. Each row is fed whole, byte by byte, and cut at random.
struct Refusal {
  std::string_view input;
  int status;
  std::string_view reason;
};

#define GET "GET / HTTP/1.1\r\nHost: a\r\n"
#define POST "POST / HTTP/1.1\r\nHost: a\r\n"

constexpr Refusal kRefusals[] = {
    // Framing.
    {POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400, "length_and_transfer_encoding"},
    {POST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", 400, "length_and_transfer_encoding"},
    {POST "Content-Length: 5\r\nContent-Length: 5\r\n\r\n", 400, "two_lengths"},
    {POST "Content-Length: 5\r\ncontent-length: 6\r\n\r\n", 400, "two_lengths"},
    {POST "Content-Length: 5, 5\r\n\r\n", 400, "bad_length"},
    {POST "Content-Length: +5\r\n\r\n", 400, "bad_length"},
    {POST "Content-Length: -5\r\n\r\n", 400, "bad_length"},
    {POST "Content-Length: 0x5\r\n\r\n", 400, "bad_length"},
    {POST "Content-Length: 5 5\r\n\r\n", 400, "bad_length"},
    {POST "Content-Length: \r\n\r\n", 400, "bad_length"},
    {POST "Content-Length: 9223372036854775808\r\n\r\n", 400, "bad_length"},
    {POST "Content-Length: 99999999999999999999\r\n\r\n", 400, "bad_length"},
    {POST "Transfer-Encoding: gzip, chunked\r\n\r\n", 400, "transfer_encoding_not_chunked"},
    {POST "Transfer-Encoding: chunked, chunked\r\n\r\n", 400, "transfer_encoding_not_chunked"},
    {POST "Transfer-Encoding: chunked,\r\n\r\n", 400, "transfer_encoding_not_chunked"},
    {POST "Transfer-Encoding: identity\r\n\r\n", 400, "transfer_encoding_not_chunked"},
    {POST "Transfer-Encoding: xchunked\r\n\r\n", 400, "transfer_encoding_not_chunked"},
    {POST "Transfer-Encoding: \"chunked\"\r\n\r\n", 400, "transfer_encoding_not_chunked"},
    {POST "Transfer-Encoding: chunked;q=1\r\n\r\n", 400, "transfer_encoding_not_chunked"},
    {POST "Transfer-Encoding:\r\n\r\n", 400, "transfer_encoding_not_chunked"},
    {POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 400, "two_transfer_encodings"},
    {POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n", 400, "two_transfer_encodings"},
    {"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", 400, "transfer_encoding_in_http10"},
    // Bytes and lines.
    {"GET / HTTP/1.1\nHost: a\n\n", 400, "bare_lf"},
    {GET "X: a\nY: b\r\n\r\n", 400, "bare_lf"},
    {GET "X: a\n\r\n", 400, "bare_lf"},
    {GET "X:\rContent-Length: 5\r\n\r\n", 400, "bare_cr"},
    {GET "X: a\r\r\n\r\n", 400, "bare_cr"},
    {"GET / HTTP/1.1\rHost: a\r\n\r\n", 400, "bare_cr"},
    {GET "\r\r\n", 400, "bare_cr"},
    {GET "X: a\0b\r\n\r\n"sv, 400, "nul"},
    {"GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n"sv, 400, "nul"},
    {GET "X: a\x01\r\n\r\n", 400, "control_byte"},
    {GET "X: a\x7f\r\n\r\n", 400, "control_byte"},
    {GET "X: \x0b" "chunked\r\n\r\n", 400, "control_byte"},
    {GET "X: a\r\n folded\r\n\r\n", 400, "obs_fold"},
    {GET "X: a\r\n\tfolded\r\n\r\n", 400, "obs_fold"},
    {"GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400, "obs_fold"},
    {"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400, "space_before_colon"},
    {POST "Content-Length\t: 5\r\n\r\n", 400, "space_before_colon"},
    {POST "Transfer-Encoding : chunked\r\n\r\n", 400, "space_before_colon"},
    {GET ": a\r\n\r\n", 400, "empty_name"},
    {GET "nocolon\r\n\r\n", 400, "no_colon"},
    {GET "X(Y): a\r\n\r\n", 400, "bad_name"},
    {GET "X\xc3\xa9: a\r\n\r\n", 400, "bad_name"},
    {GET "Transfer-Encoding\xa0: chunked\r\n\r\n", 400, "bad_name"},
    // Host.
    {"GET / HTTP/1.1\r\n\r\n", 400, "no_host"},
    {"GET / HTTP/1.0\r\n\r\n", 400, "no_host"},
    {"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400, "two_hosts"},
    {"GET / HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n", 400, "two_hosts"},
    {"GET / HTTP/1.1\r\nHost:\r\n\r\n", 400, "bad_host"},
    {"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400, "bad_host"},
    {"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", 400, "bad_host"},
    {"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400, "bad_host"},
    {"GET / HTTP/1.1\r\nHost: user@a\r\n\r\n", 400, "bad_host"},
    {"GET / HTTP/1.1\r\nHost: a:\r\n\r\n", 400, "bad_host"},
    {"GET / HTTP/1.1\r\nHost: a:0\r\n\r\n", 400, "bad_host"},
    {"GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n", 400, "bad_host"},
    {"GET / HTTP/1.1\r\nHost: a:80x\r\n\r\n", 400, "bad_host"},
    {"GET / HTTP/1.1\r\nHost: a:80:80\r\n\r\n", 400, "bad_host"},
    {"GET / HTTP/1.1\r\nHost: %61\r\n\r\n", 400, "bad_host"},
    {"GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", 400, "bad_host"},
    {"GET / HTTP/1.1\r\nHost: []\r\n\r\n", 400, "bad_host"},
    {"GET / HTTP/1.1\r\nHost: [::1]x\r\n\r\n", 400, "bad_host"},
    // Request line and target.
    {"GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400, "bad_request_line"},
    {"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400, "bad_request_line"},
    {"GET /  HTTP/1.1\r\nHost: a\r\n\r\n", 400, "bad_request_line"},
    {"GET\t/\tHTTP/1.1\r\nHost: a\r\n\r\n", 400, "bad_request_line"},
    {" GET / HTTP/1.1\r\nHost: a\r\n\r\n", 400, "bad_method"},
    {"GET /\r\n\r\n", 400, "bad_request_line"},
    {"GET\r\n\r\n", 400, "bad_request_line"},
    {"GET / http/1.1\r\nHost: a\r\n\r\n", 400, "bad_request_line"},
    {"GET / HTTP/1.1x\r\nHost: a\r\n\r\n", 400, "bad_request_line"},
    {"GET / HTTP/11\r\nHost: a\r\n\r\n", 400, "bad_request_line"},
    {"GET / HTTP/1.2\r\nHost: a\r\n\r\n", 505, "version_not_supported"},
    {"GET / HTTP/0.9\r\nHost: a\r\n\r\n", 505, "version_not_supported"},
    {"PRI * HTTP/2.0\r\n\r\n", 505, "version_not_supported"},
    {"G(T / HTTP/1.1\r\nHost: a\r\n\r\n", 400, "bad_method"},
    {"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA / HTTP/1.1\r\nHost: a\r\n\r\n", 400, "bad_method"},
    {"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", 405, "connect_refused"},
    {"TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", 405, "trace_refused"},
    {"GET a:443 HTTP/1.1\r\nHost: a\r\n\r\n", 400, "bad_target"},
    {"GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400, "bad_target"},
    {"GET ?x HTTP/1.1\r\nHost: a\r\n\r\n", 400, "bad_target"},
    {"GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", 400, "bad_target"},
    {"GET /\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n", 400, "bad_target"},
    {"GET /a\tb HTTP/1.1\r\nHost: a\r\n\r\n", 400, "bad_target"},
    {"GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", 400, "target_differs_from_host"},
    {"GET http://a:80/ HTTP/1.1\r\nHost: a\r\n\r\n", 400, "target_differs_from_host"},
    {"GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400, "bad_target"},
    {"GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n", 400, "bad_target"},
    {"GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400, "bad_target"},
    {"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400, "empty_first_line"},
    {"\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400, "bare_lf"},
    // Not HTTP at all: refused at the first byte.
    {"\x16\x03\x01\x02\x00\x01"sv, 400, "control_byte"},
    // Connection, Expect, Upgrade.
    {GET "Connection: a b\r\n\r\n", 400, "bad_connection"},
    {POST "Content-Length: 1\r\nExpect: 200-ok\r\n\r\n", 417, "unknown_expectation"},
    {GET "Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 5\r\n\r\n", 400, "upgrade_with_body"},
};

// Sizes: one row each for what is too long.
struct LongRefusal {
  std::string input;
  int status;
  std::string_view reason;
};

std::vector<LongRefusal> long_refusals() {
  std::string options = GET "Connection: ", fields = GET, large = GET;
  for (int i = 0; i < 33; ++i) options += "a,";
  for (int i = 0; i < 100; ++i) fields += "X: a\r\n";
  for (int i = 0; i < 6; ++i) large += "X: " + std::string(15000, 'a') + "\r\n";
  std::vector<LongRefusal> rows;
  const auto add = [&](std::string input, int status, std::string_view reason) {
    rows.push_back({std::move(input), status, reason});
  };
  add("GET / HTTP/1.1\r\nHost: " + std::string(256, 'a') + "\r\n\r\n", 400, "bad_host");
  add(options + "\r\n\r\n", 400, "too_many_connection_options");
  add("GET /" + std::string(9000, 'a'), 414, "first_line_too_long");
  add("GET /" + std::string(9000, 'a') + " HTTP/1.1\r\nHost: a\r\n\r\n", 414, "first_line_too_long");
  add(GET "X: " + std::string(17000, 'a'), 431, "field_line_too_long");
  add(fields + "\r\n", 431, "too_many_fields");
  add(large + "\r\n", 431, "head_too_long");
  return rows;
}

void expect_refused(std::string_view input, int status, std::string_view reason, std::mt19937& random) {
  for (int round = 0; round < 8; ++round) {
    std::vector<std::size_t> cuts;
    if (round == 1 && input.size() < 2000) cuts = test::every_byte(input.size());
    else if (round > 0) cuts = test::random_cuts(random, input.size());
    ParsedRequest parsed;
    test::parse_request(input, cuts, parsed);
    EXPECT_EQ(parsed.verdict, (Verdict{status, reason}))
        << parsed.verdict.reason << " for " << input.substr(0, 120);
  }
}

TEST(H1Request, RefusesWhatTheTableSays) {
  std::mt19937 random(1);
  for (const Refusal& row : kRefusals) expect_refused(row.input, row.status, row.reason, random);
  for (const LongRefusal& row : long_refusals()) expect_refused(row.input, row.status, row.reason, random);
}

TEST(H1Request, RefusesBeforeTheHeadHasEnded) {
  for (const Refusal& row : kRefusals) {
    if (row.reason != "bare_lf" && row.reason != "nul" && row.reason != "control_byte") continue;
    const std::size_t bad =
        row.input.find_first_of(row.reason == "bare_lf" ? "\n"sv : "\0\x01\x0b\x7f\x16"sv);
    ASSERT_NE(bad, std::string::npos);
    if (row.reason == "bare_lf" && bad > 0 && row.input[bad - 1] == '\r') continue;
    ParsedRequest parsed;
    test::parse_request(row.input.substr(0, bad), {}, parsed);
    EXPECT_TRUE(parsed.verdict.ok()) << "not yet";
    ParsedRequest with_it;
    test::parse_request(row.input.substr(0, bad + 1), {}, with_it);
    EXPECT_EQ(with_it.verdict.reason, row.reason);
  }
}

constexpr std::string_view kBrowser =
    "GET /lab/tree/a%20b.ipynb?token=x&y=/ HTTP/1.1\r\nHost: Demo-8888.container.localhost:8443\r\n"
    "Connection: keep-alive\r\nCookie: a=b; c=d\r\nX-Empty:\r\nX-Spaces: \t a b \t \r\nTE: trailers\r\n\r\n";

void expect_browser(const RequestHead& head) {
  EXPECT_EQ(head.method, Method::get);
  EXPECT_EQ(head.method_name, "GET");
  EXPECT_EQ(head.version, Version::http11);
  EXPECT_EQ(head.path, "/lab/tree/a%20b.ipynb");
  EXPECT_EQ(head.query, "?token=x&y=/");
  EXPECT_EQ(head.authority.text, "Demo-8888.container.localhost:8443");
  EXPECT_EQ(head.authority.host, "Demo-8888.container.localhost");
  EXPECT_EQ(head.authority.port, 8443);
  EXPECT_TRUE(head.keep_alive);
  EXPECT_TRUE(head.accepts_trailers);
  EXPECT_FALSE(head.has_body());
  ASSERT_EQ(head.fields.size(), 6u);
  EXPECT_EQ(head.fields[2].id, FieldId::cookie);
  EXPECT_EQ(head.fields[3].value, "");
  EXPECT_EQ(head.fields[4].name, "X-Spaces");
  EXPECT_EQ(head.fields[4].value, "a b");
}

TEST(H1Request, ReadsAHeadHoweverItArrives) {
  std::mt19937 random(2);
  const std::string behind = std::string(kBrowser) + "GET /next HTTP/1.1\r\n";
  for (int round = 0; round < 50; ++round) {
    ParsedRequest parsed;
    test::parse_request(
        behind, round == 0 ? test::every_byte(behind.size()) : test::random_cuts(random, behind.size()),
        parsed);
    ASSERT_TRUE(parsed.complete);
    ASSERT_TRUE(parsed.verdict.ok()) << parsed.verdict.reason;
    EXPECT_EQ(parsed.consumed, kBrowser.size());
    expect_browser(parsed.head);
  }
}

TEST(H1Request, AsksForMoreUntilTheLastByte) {
  const HeadLimits limits;
  HeadScanner scanner(Side::request, limits);
  EXPECT_FALSE(scanner.started(""));
  for (std::size_t size = 0; size < kBrowser.size(); ++size)
    ASSERT_EQ(scanner.scan(kBrowser.substr(0, size)).state, Scan::need_more) << size;
  EXPECT_TRUE(scanner.started(kBrowser));
  EXPECT_EQ(scanner.scan(kBrowser).state, Scan::complete);
}

TEST(H1Request, SkipsOneEmptyLineBeforeIt) {
  const std::string bytes = "\r\n" + std::string(kBrowser);
  for (const auto& cuts : {std::vector<std::size_t>(), test::every_byte(bytes.size())}) {
    ParsedRequest parsed;
    test::parse_request(bytes, cuts, parsed);
    ASSERT_TRUE(parsed.verdict.ok());
    EXPECT_EQ(parsed.consumed, bytes.size());
    expect_browser(parsed.head);
  }
  const HeadLimits limits;
  HeadScanner scanner(Side::request, limits);
  EXPECT_EQ(scanner.scan("\r\n").state, Scan::need_more);
  EXPECT_FALSE(scanner.started("\r\n")) << "an empty line starts no request";
}

TEST(H1Request, ReadsPipelinedHeadsOneAfterTheOther) {
  const std::string two = std::string(kBrowser) + "HEAD /2 HTTP/1.1\r\nHost: b\r\n\r\n";
  const HeadLimits limits;
  HeadScanner scanner(Side::request, limits);
  RequestHead head;
  const Scan first = scanner.scan(two);
  ASSERT_TRUE(parse_request_head(first.head, head).ok());
  expect_browser(head);
  scanner.reset();
  const Scan second = scanner.scan(std::string_view(two).substr(first.head.size()));
  ASSERT_EQ(second.state, Scan::complete);
  ASSERT_TRUE(parse_request_head(second.head, head).ok());
  EXPECT_EQ(head.method, Method::head);
  EXPECT_EQ(head.path, "/2");
  EXPECT_EQ(head.fields.size(), 1u) << "nothing is left of the first";
}

struct Accepted {
  std::string_view input;
  std::function<bool(const RequestHead&)> holds;
};

TEST(H1Request, UnderstandsWhatItAccepts) {
  const std::vector<Accepted> rows = {
      {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
       [](auto& h) { return h.framing == Framing::length && h.content_length == 0 && !h.has_body(); }},
      {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9223372036854775807\r\n\r\n",
       [](auto& h) { return h.content_length == 9223372036854775807u && h.has_body(); }},
      {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n",
       [](auto& h) { return h.framing == Framing::chunked && h.has_body(); }},
      {"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", [](auto& h) { return !h.keep_alive; }},
      {"GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Close\r\n\r\n",
       [](auto& h) { return !h.keep_alive; }},
      {"GET / HTTP/1.0\r\nHost: a\r\n\r\n",
       [](auto& h) { return !h.keep_alive && h.version == Version::http10; }},
      {"GET / HTTP/1.0\r\nHost: a\r\nConnection: Keep-Alive\r\n\r\n", [](auto& h) { return h.keep_alive; }},
      {"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
       [](auto& h) { return h.path == "*" && h.method == Method::options; }},
      {"OPTIONS http://a HTTP/1.1\r\nHost: a\r\n\r\n", [](auto& h) { return h.path == "*"; }},
      {"GET http://A HTTP/1.1\r\nHost: a\r\n\r\n", [](auto& h) { return h.path == "/" && h.query.empty(); }},
      {"GET HTTPS://a?q HTTP/1.1\r\nHost: a\r\n\r\n",
       [](auto& h) { return h.path == "/" && h.query == "?q"; }},
      {"GET http://a:81/x?q HTTP/1.1\r\nHost: a:81\r\n\r\n",
       [](auto& h) { return h.path == "/x" && h.query == "?q" && h.authority.port == 81; }},
      {"GET //x HTTP/1.1\r\nHost: [::1]:80\r\n\r\n",
       [](auto& h) { return h.path == "//x" && h.authority.host == "[::1]" && h.authority.port == 80; }},
      {"PROPFIND /x HTTP/1.1\r\nHost: a\r\n\r\n",
       [](auto& h) { return h.method == Method::other && h.method_name == "PROPFIND"; }},
      {"get / HTTP/1.1\r\nHost: a\r\n\r\n", [](auto& h) { return h.method == Method::other; }},
      {"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-Continue\r\n\r\n",
       [](auto& h) { return h.expect_continue; }},
      {"GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n",
       [](auto& h) { return !h.expect_continue; }},
      {"PUT / HTTP/1.0\r\nHost: a\r\nContent-Length: 3\r\nExpect: whatever\r\n\r\n",
       [](auto& h) { return !h.expect_continue; }},
      {"GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n\r\n",
       [](auto& h) { return h.upgrade == Upgrade::websocket; }},
      {"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n",
       [](auto& h) { return h.upgrade == Upgrade::none; }},
      {"GET / HTTP/1.0\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
       [](auto& h) { return h.upgrade == Upgrade::none; }},
      {"POST / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
       [](auto& h) { return h.upgrade == Upgrade::none; }},
      {"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: "
       "x\r\n\r\n",
       [](auto& h) { return h.upgrade == Upgrade::none; }},
      {"GET / HTTP/1.1\r\nHost: a\r\nX: caf\xc3\xa9\r\n\r\n",
       [](auto& h) { return h.fields[1].value == "caf\xc3\xa9"; }},
  };
  for (const Accepted& row : rows) {
    ParsedRequest parsed;
    test::parse_request(row.input, {}, parsed);
    EXPECT_TRUE(parsed.complete && parsed.verdict.ok()) << row.input << parsed.verdict.reason;
    EXPECT_TRUE(row.holds(parsed.head)) << row.input;
  }
}

TEST(H1Request, ConnectionNominatesOnlyWhatItMay) {
  const std::string_view input =
      "GET / HTTP/1.1\r\nHost: a\r\nCookie: c\r\nAuthorization: x\r\nX-Forwarded-For: "
      "1.2.3.4\r\nContent-Type: t\r\n"
      "Sec-Fetch-Site: none\r\nX-Hop: 1\r\nx-hop: 2\r\nX-Stays: 3\r\n"
      "Connection: host, cookie, authorization, x-forwarded-for, content-type, sec-fetch-site\r\n"
      "Connection: ,,X-HOP,\r\n\r\n";
  ParsedRequest parsed;
  test::parse_request(input, {}, parsed);
  ASSERT_TRUE(parsed.verdict.ok()) << parsed.verdict.reason;
  std::vector<std::string> nominated;
  for (const Field& field : parsed.head.fields)
    if (field.nominated) nominated.emplace_back(field.name);
  EXPECT_THAT(nominated, testing::ElementsAre("X-Hop", "x-hop"));
}

TEST(H1Request, TheFieldLimitCountsFieldsOnly) {
  std::string head = "GET / HTTP/1.1\r\nHost: a\r\n";
  for (int i = 0; i < 99; ++i) head += "X: a\r\n";
  ParsedRequest parsed;
  test::parse_request(head + "\r\n", {}, parsed);
  EXPECT_TRUE(parsed.verdict.ok());
  EXPECT_EQ(parsed.head.fields.size(), 100u);
}

}  // namespace
}  // namespace envgate::http
