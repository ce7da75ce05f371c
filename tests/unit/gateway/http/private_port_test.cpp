#include "gateway/http/private_port.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/http/message_h2.hpp"
#include "gateway/http/private_cookie.hpp"
#include "tests/unit/gateway/http/h1_feed.hpp"

namespace envgate::http {
namespace {

using Outcome = Passage::Outcome;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::EndsWith;
using testing::StartsWith;

const std::chrono::sys_seconds kNow{seconds(1'800'000'000)};
const routing::TicketKey kKey{routing::TicketKey::Bytes{1}};
const routing::TicketKey kOtherKey{routing::TicketKey::Bytes{2}};
const routing::EnvId kEnv = *routing::EnvId::parse("demo");
const routing::HostName kName{routing::HostName::Kind::container, kEnv, 8888};
constexpr std::string_view kHost = "demo-8888.container.x-gpu.com";

class PrivatePort : public testing::Test {
 protected:
  Passage check(std::string_view line, std::string_view fields = "", std::string_view host = kHost,
                std::chrono::sys_seconds now = kNow) {
    std::string text(line);
    text.append(" HTTP/1.1\r\nHost: ").append(host).append("\r\n").append(fields).append("\r\n");
    test::ParsedRequest parsed;
    test::parse_request(text, {}, parsed);
    EXPECT_TRUE(parsed.complete && parsed.verdict.ok()) << text;
    return check_private({kKey, used_, hours(12)}, parsed.head, kName, now);
  }
  Passage open(const std::string& ticket) { return check("GET /.well-known/envgate/open?ticket=" + ticket); }
  void expect_refused(const Passage& passage, ErrorKind kind, std::string_view reason) {
    EXPECT_EQ(passage.outcome, Outcome::refused);
    EXPECT_EQ(passage.error, kind);
    EXPECT_EQ(passage.reason, reason);
    EXPECT_EQ(passage.set_cookie, "");
  }
  static std::string ticket(minutes life = minutes(5)) {
    return routing::sign_ticket(kKey, kEnv, 8888, kNow + life);
  }
  static std::string cookie_field(const std::string& cookie) {
    return "Cookie: a=1; __Host-envgate=" + cookie + "\r\n";
  }
  static std::string good_cookie() { return routing::sign_cookie(kKey, kEnv, 8888, kNow + hours(1)); }

  gateway::UsedTickets used_;
};

TEST_F(PrivatePort, ATicketOpensItOnceAndGivesACookie) {
  const std::string text = ticket();
  const Passage opened = open(text);
  ASSERT_EQ(opened.outcome, Outcome::opened);
  EXPECT_THAT(opened.set_cookie, StartsWith("__Host-envgate=1."));
  EXPECT_THAT(opened.set_cookie, EndsWith("; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=43200"));
  expect_refused(open(text), ErrorKind::link_used, "ticket_used");

  const std::string pair = opened.set_cookie.substr(0, opened.set_cookie.find(';'));
  const std::string fields = "Cookie: " + pair + "\r\n";
  EXPECT_EQ(check("GET /", fields).outcome, Outcome::passes);
  EXPECT_EQ(check("POST /x?y", fields).outcome, Outcome::passes);
  EXPECT_EQ(check("GET /", fields, kHost, kNow + hours(12) - seconds(1)).outcome, Outcome::passes);
  expect_refused(check("GET /", fields, kHost, kNow + hours(12)), ErrorKind::link_needed,
                 "private_no_cookie");
}

TEST_F(PrivatePort, BadTicketsAreToldApart) {
  expect_refused(open(""), ErrorKind::link_bad, "ticket_bad");
  expect_refused(check("GET /.well-known/envgate/open"), ErrorKind::link_bad, "ticket_bad");
  expect_refused(open(ticket().substr(1)), ErrorKind::link_bad, "ticket_bad");
  expect_refused(open(good_cookie()), ErrorKind::link_bad, "ticket_bad");
  expect_refused(open(routing::sign_ticket(kOtherKey, kEnv, 8888, kNow + minutes(1))), ErrorKind::link_bad,
                 "ticket_bad");
  expect_refused(open(ticket(minutes(0))), ErrorKind::link_expired, "ticket_expired");
  expect_refused(open(ticket(minutes(11))), ErrorKind::link_bad, "ticket_too_long");
  for (const auto& [env, port] : {std::pair("demo", 8889), std::pair("other", 8888)})
    expect_refused(open(routing::sign_ticket(kKey, *routing::EnvId::parse(env),
                                             static_cast<std::uint16_t>(port), kNow + minutes(1))),
                   ErrorKind::link_bad, "ticket_for_another_port");
  EXPECT_EQ(used_.remembered(), 0u) << "none of them is used up";
}

TEST_F(PrivatePort, ATicketIsFoundInAnyQueryAndUsedByGetAlone) {
  const std::string text = ticket();
  for (const char* method : {"HEAD", "POST", "OPTIONS"})
    expect_refused(check(method + std::string(" /.well-known/envgate/open?ticket=") + text),
                   ErrorKind::link_bad, "ticket_without_get");
  expect_refused(check("GET /?ticket=" + text), ErrorKind::link_needed, "private_no_cookie");
  expect_refused(check("GET /.well-known/envgate/open/?ticket=" + text), ErrorKind::link_needed,
                 "private_no_cookie");
  EXPECT_EQ(check("GET /.well-known/envgate/open?x=1&myticket=2&ticket=" + text + "&utm=3").outcome,
            Outcome::opened);
}

TEST_F(PrivatePort, OnlyItsOwnCookieCounts) {
  EXPECT_EQ(check("GET /", cookie_field(good_cookie())).outcome, Outcome::passes);
  EXPECT_EQ(check("GET /", cookie_field("x; __Host-envgate=" + good_cookie())).outcome, Outcome::passes);
  EXPECT_EQ(check("GET /", "Cookie: a=1\r\n" + cookie_field(good_cookie())).outcome, Outcome::passes);
  for (const std::string& bad :
       {std::string(), std::string("x"), ticket(),
        routing::sign_cookie(kOtherKey, kEnv, 8888, kNow + hours(1)),
        routing::sign_cookie(kKey, kEnv, 8889, kNow + hours(1)),
        routing::sign_cookie(kKey, *routing::EnvId::parse("other"), 8888, kNow + hours(1)),
        routing::sign_cookie(kKey, kEnv, 8888, kNow)})
    expect_refused(check("GET /", cookie_field(bad)), ErrorKind::link_needed, "private_no_cookie");
  expect_refused(check("GET /", "Cookie: envgate=" + good_cookie() + "\r\n"), ErrorKind::link_needed,
                 "private_no_cookie");
  expect_refused(check("GET /", "__Host-envgate: " + good_cookie() + "\r\n"), ErrorKind::link_needed,
                 "private_no_cookie");
}

TEST_F(PrivatePort, AWebSocketComesFromItsOwnPage) {
  const std::string upgrade =
      "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
      "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n";
  const std::string name(kHost);
  const struct {
    std::string host, origin;  // origin: as it stands after the field's name; empty: no such field
    bool passes;
  } rows[] = {
      {name, "https://" + name, true},
      {name, "https://DEMO-8888.container.x-gpu.com", true},
      {name + ":8443", "https://" + name + ":8443", true},
      {name + ":443", "https://" + name, true},
      {name, "", false},
      {name, "null", false},
      {name, "http://" + name, false},
      {name, name, false},
      {name, "https://" + name + "/", false},
      {name, "https://" + name + ":8443", false},
      {name + ":8443", "https://" + name, false},
      {name, "https://evil-8888.container.x-gpu.com", false},
      {name, "https://" + name + ".evil.com", false},
      {name, "https://demo-8889.container.x-gpu.com", false},
      {name, "https://" + name + "\r\nOrigin: https://" + name, false},
      {name, "https://evil.com\r\nOrigin: https://" + name, false},
  };
  for (const auto& row : rows) {
    std::string fields = upgrade + cookie_field(good_cookie());
    if (!row.origin.empty()) fields += "Origin: " + row.origin + "\r\n";
    const Passage passage = check("GET /ws", fields, row.host);
    if (row.passes) EXPECT_EQ(passage.outcome, Outcome::passes) << row.host << " " << row.origin;
    else expect_refused(passage, ErrorKind::foreign_origin, "websocket_foreign_origin");
  }
  expect_refused(check("GET /ws", upgrade + "Origin: https://" + name + "\r\n"), ErrorKind::link_needed,
                 "private_no_cookie");
  EXPECT_EQ(check("GET /", cookie_field(good_cookie()) + "Origin: https://evil.com\r\n").outcome,
            Outcome::passes)
      << "requests that are no websockets have CORS";
}

TEST_F(PrivatePort, OverHttp2CookiesComeInCrumbs) {
  const std::string crumb = "__Host-envgate=" + good_cookie();
  const NameValue block[] = {{":method", "CONNECT"}, {":protocol", "websocket"}, {":scheme", "https"},
                             {":authority", kHost}, {":path", "/ws"}, {"sec-websocket-version", "13"},
                             {"cookie", "a=1"}, {"cookie", crumb}, {"cookie", "b=2"},
                             {"origin", "https://demo-8888.container.x-gpu.com"}};
  RequestHead head;
  ASSERT_TRUE(build_h2_request(block, false, HeadLimits(), head).ok());
  EXPECT_EQ(check_private({kKey, used_, hours(12)}, head, kName, kNow).outcome, Outcome::passes);
  head.fields.back().value = "https://evil.com";
  EXPECT_EQ(check_private({kKey, used_, hours(12)}, head, kName, kNow).reason, "websocket_foreign_origin");
}

}  // namespace
}  // namespace envgate::http
