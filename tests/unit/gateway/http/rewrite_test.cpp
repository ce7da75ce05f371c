#include "gateway/http/rewrite.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/http/message_h2.hpp"
#include "tests/unit/gateway/http/h1_feed.hpp"

namespace envgate::http {
namespace {

using testing::HasSubstr;
using testing::Not;

Forwarding forwarding() {
  Forwarding out;
  out.client_address = "203.0.113.7";
  out.request_id = "r1";
  return out;
}

constexpr std::string_view kOurs =
    "X-Real-IP: 203.0.113.7\r\nX-Forwarded-For: 203.0.113.7\r\nX-Forwarded-Proto: https\r\n"
    "X-Forwarded-Host: a\r\nX-Request-Id: r1\r\n";

std::string rewritten(std::string_view input, const Forwarding& with = forwarding()) {
  test::ParsedRequest parsed;
  test::parse_request(input, {}, parsed);
  EXPECT_TRUE(parsed.complete && parsed.verdict.ok()) << parsed.verdict.reason << input;
  std::string out;
  append_request_head(out, parsed.head, with);
  return out;
}

// input -> what the target sees, byte for byte. "%" stands for the gateway's own fields.
TEST(RewriteRequest, WhatTheTargetSees) {
  const struct {
    std::string_view input, seen;
  } rows[] = {
      {"GET /a?b HTTP/1.1\r\nHost: a\r\nX:  y \r\n\r\n", "GET /a?b HTTP/1.1\r\nHost: a\r\nX: y\r\n%\r\n"},
      {"GET http://a/b HTTP/1.0\r\nHost: a\r\n\r\n", "GET /b HTTP/1.1\r\nHost: a\r\n%\r\n"},
      {"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS * HTTP/1.1\r\nHost: a\r\n%\r\n"},
      // Framing is the gateway's own.
      {"POST / HTTP/1.1\r\nHost: a\r\ncontent-length: 007\r\n\r\n",
       "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 7\r\n%\r\n"},
      {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: CHUNKED\r\nTrailer: X\r\n\r\n",
       "POST / HTTP/1.1\r\nHost: a\r\nTrailer: X\r\nTransfer-Encoding: chunked\r\n%\r\n"},
      {"POST / HTTP/1.1\r\nHost: a\r\nTrailer: X\r\n\r\n",
       "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n%\r\n"},
      {"DELETE / HTTP/1.1\r\nHost: a\r\n\r\n", "DELETE / HTTP/1.1\r\nHost: a\r\n%\r\n"},
      // Hop by hop, and what Connection nominates.
      {"GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, X-Hop\r\nKeep-Alive: 5\r\nX-Hop: "
       "1\r\nProxy-Connection: x\r\n"
       "Proxy-Authorization: y\r\nTE: gzip\r\n\r\n",
       "GET / HTTP/1.1\r\nHost: a\r\n%\r\n"},
      {"GET / HTTP/1.1\r\nHost: a\r\nCookie: c=1\r\nAuthorization: x\r\nConnection: close, Cookie, Host, "
       "Authorization, "
       "Content-Length, X-Forwarded-For\r\n\r\n",
       "GET / HTTP/1.1\r\nHost: a\r\nAuthorization: x\r\nCookie: c=1\r\n%\r\n"},
      {"GET / HTTP/1.1\r\nHost: a\r\nTE: trailers, gzip\r\nConnection: TE\r\n\r\n",
       "GET / HTTP/1.1\r\nHost: a\r\n%TE: trailers\r\nConnection: TE\r\n\r\n"},
      // h2c is dropped.
      {"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: "
       "AAA\r\n\r\n",
       "GET / HTTP/1.1\r\nHost: a\r\n%\r\n"},
      // Who the client is, is ours to say.
      {"GET / HTTP/1.1\r\nHost: a\r\nX-Real-IP: 1.1.1.1\r\nX-Forwarded-For: 1.1.1.1\r\nx-forwarded-proto: "
       "http\r\n"
       "X-Forwarded-Host: evil\r\nX-Forwarded-Port: 1\r\nX-Forwarded-User: root\r\nForwarded: for=1.1.1.1\r\n"
       "X-Client-IP: 1.1.1.1\r\nTrue-Client-IP: 1.1.1.1\r\nX_Forwarded_For: 1.1.1.1\r\nX-Request-Id: "
       "theirs\r\n"
       "Proxy: http://evil\r\nCF-Connecting-IP: 1.1.1.1\r\nX-Other: kept\r\n\r\n",
       "GET / HTTP/1.1\r\nHost: a\r\nX-Other: kept\r\n%\r\n"},
      {"GET / HTTP/1.1\r\nHost: a\r\nCookie: a=1\r\nX: y\r\nCookie:\r\nCookie: b=2\r\n\r\n",
       "GET / HTTP/1.1\r\nHost: a\r\nX: y\r\nCookie: a=1; b=2\r\n%\r\n"},
      // The gateway's own cookie stays here, all others go on as they are.
      {"GET / HTTP/1.1\r\nHost: a\r\nCookie: a=1;  b=\"2\"; __Host-envgate=x; c\r\nX: y\r\nCookie: "
       "__Host-envgate=z\r\nCookie: __Host-envgate=w; __Host-other=d\r\n\r\n",
       "GET / HTTP/1.1\r\nHost: a\r\nX: y\r\nCookie: a=1;  b=\"2\"; c; __Host-other=d\r\n%\r\n"},
      {"GET / HTTP/1.1\r\nHost: a\r\nCookie: __Host-envgate=x\r\n\r\n",
       "GET / HTTP/1.1\r\nHost: a\r\n%\r\n"},
      // WebSocket's fields mean nothing without the upgrade.
      {"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\nSec-WebSocket-Version: "
       "13\r\n\r\n",
       "GET / HTTP/1.1\r\nHost: a\r\n%\r\n"},
      {"GET /w HTTP/1.1\r\nHost: a\r\nConnection: upgrade, X-Hop\r\nX-Hop: 1\r\nUpgrade: websocket, "
       "h2c\r\nOrigin: o\r\n"
       "Sec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Accept: z\r\n\r\n",
       "GET /w HTTP/1.1\r\nHost: a\r\nOrigin: o\r\nSec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n"
       "%Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"},
      {"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n",
       "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n%\r\n"},
  };
  for (const auto& row : rows) {
    std::string wanted(row.seen);
    wanted.replace(wanted.find('%'), 1, kOurs);
    EXPECT_EQ(rewritten(row.input), wanted);
  }
}

TEST(RewriteRequest, TheForwarderDecidesOnExpectAndClose) {
  Forwarding with = forwarding();
  with.forward_expect = with.close = true;
  const std::string seen = rewritten(
      "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTE: trailers\r\nExpect: 100-continue\r\n\r\n", with);
  EXPECT_THAT(seen, HasSubstr("\r\nExpect: 100-continue\r\n"));
  EXPECT_THAT(seen, HasSubstr("\r\nConnection: TE, close\r\n"));
  EXPECT_THAT(rewritten("GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n", with),
              Not(HasSubstr("Expect")));
  EXPECT_THAT(rewritten("GET / HTTP/1.1\r\nHost: a\r\n\r\n", with), HasSubstr("\r\nConnection: close\r\n"));
}

TEST(RewriteRequest, Http2BecomesHttp1) {
  RequestHead head;
  const NameValue block[] = {{":method", "GET"}, {":scheme", "https"}, {":authority", "a"}, {":path", "/x"},
                             {"cookie", "a=1"}, {"cookie", "__Host-envgate=z"},
                             {"cookie", "b=2"}, {"x", "y"}};
  ASSERT_TRUE(build_h2_request(block, false, HeadLimits(), head).ok());
  std::string out;
  append_request_head(out, head, forwarding());
  EXPECT_EQ(out, "GET /x HTTP/1.1\r\nHost: a\r\nx: y\r\nCookie: a=1; b=2\r\nTransfer-Encoding: chunked\r\n" +
                     std::string(kOurs) + "\r\n");

  const NameValue websocket[] = {{":method", "CONNECT"}, {":protocol", "websocket"}, {":scheme", "https"},
                                 {":authority", "a"}, {":path", "/w"}, {"sec-websocket-version", "13"},
                                 {"sec-websocket-key", "theirs"}};
  ASSERT_TRUE(build_h2_request(websocket, false, HeadLimits(), head).ok());
  Forwarding with = forwarding();
  with.websocket_key = "ours";
  out.clear();
  append_request_head(out, head, with);
  EXPECT_EQ(out, "GET /w HTTP/1.1\r\nHost: a\r\nsec-websocket-version: 13\r\n" + std::string(kOurs) +
                     "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: ours\r\n\r\n");
}

// --- Responses ---

struct ResponseRow {
  std::string_view input, seen;
  Version client = Version::http11;
  ResponseContext context = {};
  bool close = false;
};

std::string answered(const ResponseRow& row) {
  test::ParsedResponse parsed;
  test::parse_response(row.input, row.context, {}, parsed);
  EXPECT_TRUE(parsed.complete && parsed.verdict.ok()) << parsed.verdict.reason << row.input;
  ResponseForwarding with;
  with.client_version = row.client;
  with.framing = client_framing(parsed.head, row.client);
  with.own_host = "demo-80.c.x";
  with.close = row.close;
  std::string out;
  append_response_head(out, parsed.head, with);
  return out;
}

TEST(RewriteResponse, WhatTheClientSees) {
  const ResponseContext head_request{Method::head, Upgrade::none}, asked{Method::get, Upgrade::websocket};
  const ResponseRow rows[] = {
      {"HTTP/1.0 200 Fine\r\nserver: s\r\nContent-Length: 05\r\n\r\n",
       "HTTP/1.1 200 Fine\r\nserver: s\r\nContent-Length: 5\r\n\r\n"},
      {"HTTP/1.1 404\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"},
      {"HTTP/1.1 299 \r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 299 \r\nContent-Length: 0\r\n\r\n"},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n",
       "HTTP/1.1 200 OK\r\nTrailer: X\r\nTransfer-Encoding: chunked\r\n\r\n"},
      {"HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
       "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", Version::http10},
      {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n",
       "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: keep-alive\r\n\r\n", Version::http10},
      {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n",
       "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: close\r\n\r\n",
       Version::http11,
       {},
       true},
      {"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n",
       Version::http11, head_request},
      {"HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n",
       "HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n"},
      {"HTTP/1.1 204 No Content\r\nContent-Length: 7\r\n\r\n", "HTTP/1.1 204 No Content\r\n\r\n"},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n", Version::http11,
       head_request},
      {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: keep-alive, X-Hop, Set-Cookie\r\nKeep-Alive: "
       "1\r\nX-Hop: 1\r\n"
       "Proxy-Authenticate: x\r\nUpgrade: h2c\r\nAlt-Svc: h3=\":1\"\r\nSet-Cookie: a=b\r\nX_Y: kept\r\n\r\n",
       "HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nX_Y: kept\r\nContent-Length: 1\r\n\r\n"},
      {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nStrict-Transport-Security: max-age=1\r\nVary: x\r\n\r\n",
       "HTTP/1.1 200 OK\r\nStrict-Transport-Security: max-age=1\r\nVary: x\r\nContent-Length: 1\r\n\r\n"},
      {"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nConnection: close\r\n\r\n",
       "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n",
       Version::http11,
       {},
       true},
      {"HTTP/1.1 101 Yes\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n",
       "HTTP/1.1 101 Yes\r\nSec-WebSocket-Accept: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
       Version::http11, asked},
      {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nSet-Cookie: a=b; Domain=.c.x; Path=/\r\nSet-Cookie: c=d; "
       "domain=C.X\r\n\r\n",
       "HTTP/1.1 200 OK\r\nSet-Cookie: a=b; Path=/\r\nSet-Cookie: c=d\r\nContent-Length: 1\r\n\r\n"},
      {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nSet-Cookie: __Host-envgate=x; Path=/; Secure\r\nSet-Cookie: "
       "c=__Host-envgate\r\n\r\n",
       "HTTP/1.1 200 OK\r\nSet-Cookie: c=__Host-envgate\r\nContent-Length: 1\r\n\r\n"},
  };
  for (const ResponseRow& row : rows) EXPECT_EQ(answered(row), row.seen);
}

TEST(RewriteResponse, AnOverlongReasonIsReplaced) {
  const std::string input = "HTTP/1.1 200 " + std::string(500, 'x') + "\r\nContent-Length: 0\r\n\r\n";
  EXPECT_EQ(answered({input, ""}), "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
}

TEST(RewriteResponse, CookiesStayWithTheirHost) {
  const struct {
    std::string_view value, narrowed;
  } rows[] = {
      {"a=b", "a=b"},
      {"a=b; Path=/; Secure", "a=b; Path=/; Secure"},
      {"a=b; Domain=c.x", "a=b"},
      {"a=b ;Domain=c.x", "a=b"},
      {"a=b; Path=/ \t;Domain=c.x;", "a=b; Path=/"},
      {"a=b; Domain=.c.x; Path=/", "a=b; Path=/"},
      {"a=b;domain = x ;Path=/", "a=b;Path=/"},
      {"a=b; DOMAIN=other-80.c.x", "a=b"},
      {"a=b; Domain=xdemo-80.c.x", "a=b"},
      {"a=b; Domain=demo-80.c.x", "a=b; Domain=demo-80.c.x"},
      {"a=b; Domain=.DEMO-80.c.x", "a=b; Domain=.DEMO-80.c.x"},
      {"a=b; Domain=demo-80.c.x; Domain=c.x", "a=b; Domain=demo-80.c.x"},
      {"a=b; Domain", "a=b"},
      {"a=b; Domain=", "a=b"},
      {"a=b;\tDomain\t=\tc.x;;", "a=b;"},
      {"a=\"x; Domain=c.x\"", "a=\"x"},  // a browser splits here, whatever the quotes
      {"Domain=c.x", "Domain=c.x"},        // a cookie of that name
      {"a=b; X-Domain=c.x", "a=b; X-Domain=c.x"},
  };
  for (const auto& row : rows) {
    std::string out;
    append_narrowed_cookie(out, row.value, "demo-80.c.x");
    EXPECT_EQ(out, row.narrowed) << row.value;
    EXPECT_EQ(cookie_needs_narrowing(row.value, "demo-80.c.x"), row.value != row.narrowed) << row.value;
  }
}

TEST(RewriteResponse, SiteDataOfNeighboursStays) {
  const struct {
    std::string_view value, narrowed;
  } rows[] = {
      {R"("cache", "storage")", R"("cache", "storage")"},
      {R"("cookies")", ""},
      {R"("cache","cookies","storage")", R"("cache", "storage")"},
      {R"("COOKIES", "cache")", R"("cache")"},
      {R"("*")", R"("cache", "clientHints", "executionContexts", "storage")"},
      {R"("cookies", "*")", R"("cache", "clientHints", "executionContexts", "storage")"},
      {"*", "*"},  // unquoted: no browser obeys it
      {"", ""},
  };
  for (const auto& row : rows) {
    std::string out;
    append_narrowed_site_data(out, row.value);
    EXPECT_EQ(out, row.narrowed) << row.value;
    const std::string head = "HTTP/1.1 200 OK\r\n",
                      field = "Clear-Site-Data: ", rest = "Content-Length: 0\r\n\r\n";
    const std::string kept = row.narrowed.empty() ? "" : field + std::string(row.narrowed) + "\r\n";
    EXPECT_EQ(answered({head + field + std::string(row.value) + "\r\n" + rest, ""}), head + kept + rest);
  }
}

TEST(RewriteResponse, WhatHasNoDateGetsOne) {
  for (const std::string_view own : {"", "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"}) {
    test::ParsedResponse parsed;
    test::parse_response("HTTP/1.1 204 No Content\r\n" + std::string(own) + "\r\n", {}, {}, parsed);
    ResponseForwarding with;
    with.date = "Mon, 07 Nov 1994 08:49:37 GMT";
    std::string out;
    append_response_head(out, parsed.head, with);
    const std::string date = own.empty() ? "Date: " + std::string(with.date) + "\r\n" : std::string(own);
    EXPECT_EQ(out, "HTTP/1.1 204 No Content\r\n" + date + "\r\n");
  }
}

TEST(RewriteResponse, TheIterationServesHttp2) {
  test::ParsedResponse parsed;
  test::parse_response(
      "HTTP/1.1 200 OK\r\nContent-Type: T\r\nConnection: X-Hop\r\nX-Hop: 1\r\nSet-Cookie: A=b; Domain=c.x\r\n"
      "Set-Cookie: C=d; Domain=c.x; Path=/\r\nalready-lower: Q\r\nTransfer-Encoding: chunked\r\n\r\n",
      {}, {}, parsed);
  ASSERT_TRUE(parsed.verdict.ok());
  ResponseForwarding with;
  with.client_version = Version::http2;
  with.framing = client_framing(parsed.head, Version::http2);
  EXPECT_EQ(with.framing, Framing::until_end);
  with.own_host = "demo-80.c.x";
  with.request_id = "r1";
  std::string scratch;
  std::vector<Field> fields;
  ForwardedFields forwarded(parsed.head, with, scratch);
  for (Field field; forwarded.next(field);) fields.push_back(field);
  std::vector<std::string> seen;  // read only now: the views must all still hold
  for (const Field& field : fields) seen.push_back(std::string(field.name) + ": " + std::string(field.value));
  EXPECT_THAT(seen, testing::ElementsAre("content-type: T", "set-cookie: A=b", "set-cookie: C=d; Path=/",
                                         "already-lower: Q", "x-request-id: r1"));
}

TEST(RewriteResponse, LengthGoesToHttp2Too) {
  test::ParsedResponse parsed;
  test::parse_response("HTTP/1.1 200 OK\r\nContent-Length: 18446\r\nSec-WebSocket-Accept: x\r\n\r\n", {}, {},
                       parsed);
  ResponseForwarding with;
  with.client_version = Version::http2;
  with.framing = client_framing(parsed.head, Version::http2);
  std::string scratch;
  ForwardedFields forwarded(parsed.head, with, scratch);
  Field field;
  ASSERT_TRUE(forwarded.next(field));
  EXPECT_EQ(field.name, "content-length");
  EXPECT_EQ(field.value, "18446");
  EXPECT_FALSE(forwarded.next(field));
}

}  // namespace
}  // namespace envgate::http
