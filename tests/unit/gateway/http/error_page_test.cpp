#include "gateway/http/error_page.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/gateway/http/h1_feed.hpp"

namespace envgate::http {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string_view value_of(const ErrorPage& page, std::string_view name) {
  for (const Field& field : page.fields())
    if (field.name == name) return field.value;
  return {};
}

TEST(ErrorPage, AcceptDecidesTheForm) {
  for (const char* accept :
       {"", "*/*", "text/html", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
        "text/*, application/json;q=0.9", "image/png", "application/json;q=0, text/html",
        "application/json;q=0.5, */*"})
    EXPECT_FALSE(prefers_problem(accept)) << accept;
  for (const char* accept :
       {"application/json", "application/problem+json", "Application/JSON, */*",
        "application/json, text/plain, */*", "application/*", "text/html;q=0.4, application/json;q=0.5",
        "application/problem+json;q=0.1", "text/html;q=0, */*", "text/html;q=0.0,application/json;q=0.001"})
    EXPECT_TRUE(prefers_problem(accept)) << accept;
}

TEST(ErrorPage, EveryKindHasItsStatusAndIsAGoodAnswer) {
  for (int i = 0; i < static_cast<int>(ErrorKind::count_); ++i) {
    const auto kind = static_cast<ErrorKind>(i);
    for (const char* accept : {"text/html", "application/json"}) {
      ErrorContext context;
      context.environment = "demo";
      context.port = 8888;
      context.request_id = "req-1";
      context.accept = accept;
      std::string wire;
      append_error_response(wire, kind, context, true, false);
      test::ParsedResponse parsed;
      test::parse_response(wire, {}, {}, parsed);
      ASSERT_TRUE(parsed.verdict.ok()) << parsed.verdict.reason;
      EXPECT_EQ(parsed.head.status, status_of(kind));
      EXPECT_FALSE(parsed.head.keep_alive);
      const std::string body = wire.substr(parsed.consumed);
      EXPECT_EQ(parsed.head.content_length, body.size());
      EXPECT_THAT(body, HasSubstr("demo"));
      EXPECT_THAT(body, HasSubstr("req-1"));
      EXPECT_THAT(body, Not(HasSubstr("://"))) << "nothing from elsewhere is loaded";
      std::string head_only;
      append_error_response(head_only, kind, context, true, true);
      EXPECT_EQ(head_only, wire.substr(0, parsed.consumed));
    }
  }
}

TEST(ErrorPage, StatusesLeadBackToKinds) {
  for (const int status : {400, 405, 414, 417, 426, 431, 501, 502, 505})
    EXPECT_EQ(status_of(kind_of(status)), status);
  EXPECT_EQ(kind_of(502), ErrorKind::target_bad_answer);
  EXPECT_EQ(kind_of(299), ErrorKind::bad_request);
}

TEST(ErrorPage, EscapesWhatCameFromOutside) {
  ErrorContext context;
  context.environment = "<script>\"'&";
  context.request_id = "x\"</dd>";
  const ErrorPage page(ErrorKind::unknown_environment, context);
  EXPECT_THAT(std::string(page.body()), HasSubstr("&lt;script&gt;&quot;&#39;&amp;"));
  EXPECT_THAT(std::string(page.body()), Not(HasSubstr("<script")));
  EXPECT_THAT(std::string(page.body()), HasSubstr("x&quot;&lt;/dd&gt;"));
  context.accept = "application/json";
  const ErrorPage problem(ErrorKind::unknown_environment, context);
  EXPECT_EQ(problem.body(),
            "{\"status\":404,\"title\":\"Not Found\",\"detail\":\"There is no environment with this name. "
            "Check the address; "
            "the environment may have been deleted.\",\"code\":\"unknown_environment\","
            "\"environment\":\"<script>\\\"'&\",\"request_id\":\"x\\\"</dd>\"}\n");
}

TEST(ErrorPage, CarriesTheFieldsThatItsStatusNeeds) {
  ErrorContext context;
  context.retry_after = 30;
  const ErrorPage stopped(ErrorKind::stopped, context);
  EXPECT_EQ(stopped.status(), 503);
  EXPECT_EQ(value_of(stopped, "retry-after"), "30");
  EXPECT_EQ(value_of(stopped, "cache-control"), "no-store");
  EXPECT_THAT(std::string(value_of(stopped, "content-security-policy")), HasSubstr("default-src 'none'"));
  EXPECT_EQ(value_of(stopped, "content-type"), "text/html; charset=utf-8");
  EXPECT_EQ(value_of(stopped, "content-length"), std::to_string(stopped.body().size()));
  EXPECT_EQ(value_of(ErrorPage(ErrorKind::port_not_open, context), "retry-after"), "");
  EXPECT_THAT(std::string(value_of(ErrorPage(ErrorKind::method_not_allowed, context), "allow")),
              HasSubstr("GET"));
  EXPECT_EQ(value_of(ErrorPage(ErrorKind::websocket_version, context), "sec-websocket-version"), "13");
  std::string wire;
  append_error_response(wire, ErrorKind::websocket_version, context, true, false);
  EXPECT_THAT(wire, HasSubstr("\r\nupgrade: websocket\r\nconnection: upgrade, close\r\n"));
}

}  // namespace
}  // namespace envgate::http
