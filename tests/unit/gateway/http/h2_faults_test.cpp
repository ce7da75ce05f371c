// What goes wrong on an HTTP/2 connection, by the client's doing or by ours: what the client is told, what
// the request's task is told, and that nothing is left behind.
// Source: RFC 9113 sections 5.4 (errors), 6.8 (GOAWAY), 8.1.1 (malformed messages), 10.5 (denial of service).
#include <gtest/gtest.h>

#include "gateway/http/h2_session.hpp"
#include "gateway/loop/event.hpp"
#include "tests/unit/gateway/http/h2_peer.hpp"

namespace envgate::http {
namespace {

using loop::Task;
using std::chrono::milliseconds;

const FieldList kNoTrailers;

Headers post(Headers more = {}) { return request_fields("POST", "/", std::move(more)); }

Task<bool> hello(TestServer& server, Exchange& exchange) {
  const Running running(server);
  co_return co_await answer_text(exchange, "hello");
}

// Takes the body, and says how it ended; then answers.
Task<bool> swallow(TestServer& server, Exchange& exchange) {
  const Running running(server);
  for (;;) {
    const BodyPiece piece = co_await exchange.read_body(server.reactor().after(milliseconds(300)));
    if (piece.state == BodyPiece::data) continue;
    if (piece.state == BodyPiece::end) break;
    server.note(std::to_string(piece.status) + " " + std::string(piece.reason));
    if (piece.status != 408) co_return false;
    co_return co_await exchange.send_error(ErrorKind::request_timeout, ErrorContext());
  }
  co_return co_await answer_text(exchange, "done");
}

// Waits to be abandoned.
class Hook final : public Abandoned {
 public:
  explicit Hook(loop::Reactor& reactor) : event(reactor) {}
  void abandoned() override {
    ++times;
    event.set();
  }
  loop::Event event;
  int times = 0;
};

Task<bool> wait_to_be_abandoned(TestServer& server, Exchange& exchange) {
  const Running running(server);
  Hook hook(server.reactor());
  exchange.on_abandoned(&hook);
  co_await hook.event.wait();
  server.note("abandoned " + std::to_string(hook.times));
  const bool sent = co_await answer_text(exchange, "too late");
  server.note(sent ? "sent" : "not sent");
  exchange.on_abandoned(nullptr);
  co_return false;
}

std::string frame(unsigned type, unsigned flags, std::uint32_t stream, std::string_view payload) {
  std::string out;
  for (const int shift : {16, 8, 0}) out += static_cast<char>(payload.size() >> shift);
  out += static_cast<char>(type);
  out += static_cast<char>(flags);
  for (const int shift : {24, 16, 8, 0}) out += static_cast<char>(stream >> shift);
  return out.append(payload);
}

const std::string kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

// A GET of a.example, in literals only; END_STREAM and END_HEADERS are the caller's flags.
std::string get_block() {
  using namespace std::string_literals;
  return "\x82\x87\x84"s + "\x01\x09"s + "a.example";
}

// ---- malformed requests ----

TEST(H2Faults, ALengthThatDiffersFromTheDataResetsTheStream) {
  for (const std::string_view body : {"four", "longer than that"}) {
    SocketPair pair;
    TestServer server(pair.server, swallow);
    TestClient client(pair.client);
    const auto id = client.request(post({{"content-length", "10"}}), true);
    client.send_data(id, body);
    client.run_for(0.05);
    client.end(id);
    ASSERT_TRUE(client.run_until([&] { return client.stream(id).closed; }));
    EXPECT_EQ(client.stream(id).error_code, NGHTTP2_PROTOCOL_ERROR);
    ASSERT_TRUE(client.run_until([&] { return !server.notes().empty(); }));
    EXPECT_EQ(server.notes()[0], "400 length_differs_from_data");
    EXPECT_EQ(server.misbehaviour(), std::vector<std::string>{"h2_stream_error"});
    // The connection goes on.
    const auto next = client.request(post(), true);
    client.end(next);
    ASSERT_TRUE(client.run_until([&] { return client.stream(next).closed; }));
    EXPECT_EQ(client.stream(next).body, "done");
  }
}

TEST(H2Faults, MalformedHeadsResetTheStream) {
  const Headers good = post();
  std::vector<Headers> rows;
  const Headers bad = {{"transfer-encoding", "chunked"}, {"connection", "close"}, {"upgrade", "h2c"},
                       {"te", "gzip"}, {"content-length", "-1"}, {"a", "b\rc"}, {"a", "b\nc"},
                       {"Upper", "x"}, {"sp ace", "x"}, {"", "x"}, {":late", "x"}};
  for (const auto& extra : bad) {
    rows.push_back(good);
    rows.back().push_back(extra);
  }
  rows.push_back({{":method", "GET"}, {":scheme", "https"}, {":authority", "a.example"}});
  rows.push_back({{":method", "GET"}, {":method", "GET"}, {":scheme", "https"}, {":authority", "a.example"},
                  {":path", "/"}});
  SocketPair pair;
  TestServer server(pair.server, hello);
  TestClient client(pair.client);
  for (const Headers& row : rows) {
    const auto id = client.request(row);
    ASSERT_TRUE(client.run_until([&] { return client.stream(id).closed; }));
    if (row.back().first == "Upper") continue;  // the client's library puts it into lower case
    const auto& [name, value] = row.back();
    EXPECT_EQ(client.stream(id).error_code, NGHTTP2_PROTOCOL_ERROR) << name << ": " << value;
    EXPECT_TRUE(client.stream(id).heads.empty());
  }
  EXPECT_LE(server.requests(), 1);
}

struct RefusedRow {
  Headers fields;
  std::string status, reason;
};

TEST(H2Faults, HeadsThatAreWellFormedAndWrongGetAnAnswer) {
  H2Options options;
  options.head.head = 2000;
  options.head.fields = 20;
  Headers many = post();
  for (int i = 0; i < 30; ++i) many.push_back({"f" + std::to_string(i), "x"});
  const std::vector<RefusedRow> rows = {
      {request_fields("GET", "/", {{"host", "b.example"}}), "400", "target_differs_from_host"},
      {request_fields("TRACE", "/"), "405", "trace_refused"},
      {{{":method", "CONNECT"}, {":authority", "a.example:80"}}, "405", "connect_refused"},
      {post({{"expect", "more"}}), "417", "unknown_expectation"},
      {post({{"long", std::string(3000, 'x')}}), "431", "head_too_large"},
      {many, "431", ""},
  };
  SocketPair pair;
  TestServer server(pair.server, hello, options);
  TestClient client(pair.client);
  for (const RefusedRow& row : rows) {
    const auto id = client.request(row.fields);
    ASSERT_TRUE(client.run_until([&] { return client.stream(id).closed; })) << row.reason;
    EXPECT_EQ(client.stream(id).status(), row.status) << row.reason;
    EXPECT_FALSE(client.stream(id).body.empty());
    if (!row.reason.empty()) {
      EXPECT_EQ(server.notes().back(), row.reason);
    }
  }
  EXPECT_EQ(server.requests(), 0);
  EXPECT_EQ(client.goaways(), 0);
}

TEST(H2Faults, AnAnswerBeforeTheBodysEndStopsTheBody) {
  SocketPair pair;
  TestServer server(pair.server, hello);
  TestClient client(pair.client);
  const auto id = client.request(post(), true);
  client.send_data(id, std::string(5'000'000, 'x'));
  ASSERT_TRUE(client.run_until([&] { return client.stream(id).closed; }));
  EXPECT_EQ(client.stream(id).body, "hello");
  EXPECT_EQ(client.stream(id).error_code, NGHTTP2_NO_ERROR);  // RFC 9113 section 8.1
  // What was thrown away has not used up the connection's window.
  const auto next = client.request(post(), true);
  client.send_data(next, std::string(700'000, 'y'));
  ASSERT_TRUE(client.run_until([&] { return client.stream(next).closed; }));
  EXPECT_TRUE(server.misbehaviour().empty());
}

TEST(H2Faults, ABodyThatDoesNotComeTimesOut) {
  SocketPair pair;
  TestServer server(pair.server, swallow);
  TestClient client(pair.client);
  const auto id = client.request(post(), true);
  ASSERT_TRUE(client.run_until([&] { return client.stream(id).closed; }));
  EXPECT_EQ(client.stream(id).status(), "408");
  EXPECT_EQ(server.notes(), std::vector<std::string>{"408 request_body_timeout"});
}

// ---- somebody leaves ----

TEST(H2Faults, AResetTellsTheRequestOnce) {
  SocketPair pair;
  TestServer server(pair.server, wait_to_be_abandoned);
  TestClient client(pair.client);
  const auto id = client.get("/");
  ASSERT_TRUE(client.run_until([&] { return server.tasks == 1; }));
  EXPECT_TRUE(server.notes().empty());
  client.reset(id);
  ASSERT_TRUE(client.run_until([&] { return server.tasks == 0; }));
  EXPECT_EQ(server.notes(), (std::vector<std::string>{"abandoned 1", "not sent"}));
  EXPECT_FALSE(server.ended());
}

TEST(H2Faults, TheConnectionsEndTellsEveryRequest) {
  SocketPair pair;
  TestServer server(pair.server, wait_to_be_abandoned);
  TestClient client(pair.client);
  for (int i = 0; i < 5; ++i) client.get("/");
  ASSERT_TRUE(client.run_until([&] { return server.tasks == 5; }));
  client.shut();
  EXPECT_TRUE(eventually([&] { return server.ended(); }));
  EXPECT_EQ(server.tasks, 0);
  EXPECT_EQ(server.notes().size(), 10u);
}

TEST(H2Faults, ARequestTakenBackAtOnceIsNeverStarted) {
  SocketPair pair;
  TestServer server(pair.server, hello);
  TestClient client(pair.client, {1 << 20, true, true});
  client.send_raw(kPreface + frame(NGHTTP2_SETTINGS, 0, 0, "") + frame(NGHTTP2_HEADERS, 5, 1, get_block()) +
                  frame(NGHTTP2_RST_STREAM, 0, 1, std::string("\0\0\0\x08", 4)) +
                  frame(NGHTTP2_HEADERS, 5, 3, get_block()));
  ASSERT_TRUE(client.run_until([&] { return server.requests() == 1; }));
  client.run_for(0.1);
  EXPECT_EQ(server.requests(), 1);
  EXPECT_TRUE(eventually([&] { return !server.is_busy(); }));
}

TEST(H2Faults, ATargetThatBreaksOffIsSeen) {
  SocketPair pair;
  TestServer server(pair.server, [](TestServer&, Exchange& exchange) -> Task<bool> {
    exchange.send_head(response(200, Framing::length, 1000), http2_forwarding(Framing::length));
    co_await exchange.send_body("some");
    exchange.abort();
    const bool more = co_await exchange.send_body("more");
    EXPECT_FALSE(more);
    co_return false;
  });
  TestClient client(pair.client);
  const auto id = client.get("/");
  ASSERT_TRUE(client.run_until([&] { return client.stream(id).closed; }));
  EXPECT_FALSE(client.stream(id).end_stream);
  EXPECT_EQ(client.stream(id).error_code, NGHTTP2_INTERNAL_ERROR);
  EXPECT_TRUE(server.misbehaviour().empty());  // it was not the client
}

TEST(H2Faults, ATaskThatEndsWithoutAnAnswerResetsItsStream) {
  SocketPair pair;
  TestServer server(pair.server, [](TestServer&, Exchange&) -> Task<bool> { co_return false; });
  TestClient client(pair.client);
  const auto id = client.get("/");
  ASSERT_TRUE(client.run_until([&] { return client.stream(id).closed; }));
  EXPECT_EQ(client.stream(id).error_code, NGHTTP2_INTERNAL_ERROR);
}

TEST(H2Faults, CancellingTheSessionCancelsItsTasks) {
  SocketPair pair;
  TestServer server(pair.server, [](TestServer& s, Exchange& exchange) -> Task<bool> {
    const Running running(s);
    exchange.send_head(response(200, Framing::chunked), http2_forwarding(Framing::until_end));
    const std::string piece(100'000, 'x');
    bool sent = true;
    while (sent) sent = co_await exchange.send_body(piece);
    co_return false;
  });
  TestClient client(pair.client);
  const auto down = client.get("/");
  const auto up = client.request(post(), true);
  client.send_data(up, std::string(3'000'000, 'x'));
  ASSERT_TRUE(client.run_until([&] { return server.tasks == 2 && !client.stream(down).body.empty(); }));
  server.cancel();
  EXPECT_EQ(server.tasks, 0);
  EXPECT_TRUE(client.run_until_closed());
}

// ---- time ----

TEST(H2Faults, AnIdleConnectionIsEndedInOrder) {
  SocketPair pair;
  H2Options options;
  options.idle = milliseconds(200);
  TestServer server(pair.server, hello, options);
  TestClient client(pair.client);
  const auto id = client.get("/");
  ASSERT_TRUE(client.run_until([&] { return client.stream(id).closed; }));
  ASSERT_TRUE(client.run_until_closed());
  EXPECT_EQ(client.goaways(), 1);
  EXPECT_EQ(client.goaway_code(), NGHTTP2_NO_ERROR);
  EXPECT_TRUE(server.misbehaviour().empty());
}

TEST(H2Faults, AConnectionWithAStreamIsNotIdle) {
  SocketPair pair;
  H2Options options;
  options.idle = milliseconds(100);
  TestServer server(pair.server, [](TestServer& s, Exchange& exchange) -> Task<bool> {
    co_await loop::sleep_until(s.reactor(), loop::Clock::now() + milliseconds(400));
    co_return co_await answer_text(exchange, "late");
  }, options);
  TestClient client(pair.client);
  const auto id = client.get("/");
  ASSERT_TRUE(client.run_until([&] { return client.stream(id).closed; }));
  EXPECT_EQ(client.stream(id).body, "late");
}

TEST(H2Faults, SilenceAndHalfAHeadAreEnded) {
  for (const bool half : {false, true}) {
    SocketPair pair;
    H2Options options;
    options.request_head = milliseconds(200);
    TestServer server(pair.server, hello, options);
    TestClient client(pair.client, {1 << 20, true, true});
    // HEADERS without END_HEADERS, and no CONTINUATION to come.
    const std::string half_a_head =
        kPreface + frame(NGHTTP2_SETTINGS, 0, 0, "") + frame(NGHTTP2_HEADERS, 1, 1, "\x82");
    if (half) client.send_raw(half_a_head);
    ASSERT_TRUE(client.run_until_closed());
    EXPECT_EQ(client.goaways(), 1);
    EXPECT_EQ(server.misbehaviour(), std::vector<std::string>{"request_head_timeout"});
  }
}

Task<bool> large(TestServer& server, Exchange& exchange) {
  const Running running(server);
  const std::string body(3'000'000, 'x');
  exchange.send_head(response(200, Framing::length, body.size()), http2_forwarding(Framing::length));
  const bool sent = co_await exchange.send_last(body);
  server.note(sent ? "sent" : "not sent");
  co_return true;
}

TEST(H2Faults, AStreamWhoseClientOpensNoWindowIsCut) {
  SocketPair pair;
  H2Options options;
  options.idle = milliseconds(200);
  TestServer server(pair.server, large, options);
  TestClient::Options slow;
  slow.auto_window_update = false;
  TestClient client(pair.client, slow);
  const auto id = client.get("/");
  ASSERT_TRUE(client.run_until([&] { return client.stream(id).closed; }));
  EXPECT_EQ(client.stream(id).error_code, NGHTTP2_CANCEL);
  EXPECT_EQ(server.notes(), std::vector<std::string>{"not sent"});
  EXPECT_EQ(server.misbehaviour(), std::vector<std::string>{"slow_reader"});
}

TEST(H2Faults, AClientThatDoesNotReadIsCut) {
  SocketPair pair;
  H2Options options;
  options.idle = milliseconds(200);
  TestServer server(pair.server, large, options);
  TestClient::Options wide;
  wide.stream_window = 1 << 30;
  TestClient client(pair.client, wide);
  nghttp2_session_set_local_window_size(client.session(), NGHTTP2_FLAG_NONE, 0, 1 << 30);
  const auto id = client.get("/");
  ASSERT_TRUE(client.run_until([&] { return !client.stream(id).body.empty(); }));
  EXPECT_TRUE(eventually([&] { return server.ended(); }));
  EXPECT_EQ(server.misbehaviour(), std::vector<std::string>{"slow_reader"});
}

// ---- draining ----

TEST(H2Faults, DrainsWithAGoawayAndFinishesWhatIsThere) {
  SocketPair pair;
  TestServer server(pair.server, [](TestServer& s, Exchange& exchange) -> Task<bool> {
    const Running running(s);
    const bool slow = exchange.request().path == "/slow";
    while (slow && s.counted == 0) {
      co_await loop::sleep_until(s.reactor(), loop::Clock::now() + milliseconds(8));
    }
    co_return co_await answer_text(exchange, "hello");
  });
  TestClient client(pair.client);
  const auto slow = client.get("/slow");
  ASSERT_TRUE(client.run_until([&] { return server.tasks == 1; }));
  server.drain();
  const auto quick = client.get("/");  // it is with this one that the drain is noticed
  ASSERT_TRUE(client.run_until([&] { return client.stream(quick).closed; }));
  EXPECT_EQ(client.stream(quick).body, "hello");
  // The notice, then the last stream's number.
  ASSERT_TRUE(client.run_until([&] { return client.goaways() == 2; }));
  EXPECT_EQ(client.goaway_code(), NGHTTP2_NO_ERROR);
  EXPECT_FALSE(client.stream(slow).closed);
  EXPECT_FALSE(server.ended());
  server.counted = 1;
  ASSERT_TRUE(client.run_until_closed());
  EXPECT_EQ(client.stream(slow).body, "hello");
}

TEST(H2Faults, ADrainSaysNothingWhileTheLastRequestsEnd) {
  SocketPair pair;
  TestServer server(pair.server, [](TestServer& s, Exchange& exchange) -> Task<bool> {
    const Running running(s);
    while (s.counted == 0) co_await loop::sleep_until(s.reactor(), loop::Clock::now() + milliseconds(8));
    co_return co_await answer_text(exchange, "hello");
  });
  TestClient client(pair.client);
  const auto id = client.get("/");
  ASSERT_TRUE(client.run_until([&] { return server.tasks == 1; }));
  server.drain();
  client.run_for(1.3);
  EXPECT_EQ(client.goaways(), 0);
  server.counted = 1;
  ASSERT_TRUE(client.run_until_closed());
  EXPECT_EQ(client.stream(id).body, "hello");
  EXPECT_GE(client.goaways(), 1);
}

// ---- floods ----

TEST(H2Faults, RapidResetIsCalmed) {
  SocketPair pair;
  H2Options options;
  options.resets = {100, 10};
  TestServer server(pair.server, wait_to_be_abandoned, options);
  TestClient client(pair.client);
  for (int i = 0; i < 1000 && !client.server_closed(); ++i) {
    const auto id = client.get("/");
    client.run_for(0.001);  // on its way before it is taken back
    client.reset(id);
    client.run_until([&] { return client.stream(id).closed || client.server_closed(); }, 0.2);
  }
  ASSERT_TRUE(client.run_until_closed());
  EXPECT_EQ(client.goaway_code(), NGHTTP2_ENHANCE_YOUR_CALM);
  EXPECT_LE(server.requests(), 160);
  EXPECT_EQ(server.misbehaviour(), std::vector<std::string>{"h2_resets"});
  EXPECT_TRUE(eventually([&] { return server.tasks == 0; }));
}

TEST(H2Faults, ResetsThatTheClientProvokesAreCounted) {
  SocketPair pair;
  H2Options options;
  options.resets = {50, 10};
  TestServer server(pair.server, wait_to_be_abandoned, options);
  TestClient client(pair.client);
  // A window that overflows makes the server reset the stream (CVE-2025-8671).
  for (int i = 0; i < 500 && !client.server_closed(); ++i) {
    const auto id = client.get("/");
    client.run_for(0.001);
    client.send_raw(frame(NGHTTP2_WINDOW_UPDATE, 0, static_cast<std::uint32_t>(id), "\x7f\xff\xff\xff"));
    client.run_until([&] { return client.stream(id).closed || client.server_closed(); }, 0.5);
  }
  ASSERT_TRUE(client.run_until_closed());
  EXPECT_EQ(client.goaway_code(), NGHTTP2_ENHANCE_YOUR_CALM);
  EXPECT_LE(server.requests(), 80);
  EXPECT_EQ(server.misbehaviour().back(), "h2_resets");
  EXPECT_TRUE(eventually([&] { return server.tasks == 0; }));
}

void flood(const char* what, const std::string& one, int times) {
  SCOPED_TRACE(what);
  SocketPair pair;
  TestServer server(pair.server, hello);
  TestClient client(pair.client, {1 << 20, true, true});
  client.send_raw(kPreface + frame(NGHTTP2_SETTINGS, 0, 0, ""));
  std::string all;
  for (int i = 0; i < times; ++i) all += one;
  client.send_raw(all);
  ASSERT_TRUE(client.run_until_closed());
  EXPECT_EQ(client.goaway_code(), NGHTTP2_ENHANCE_YOUR_CALM);
  EXPECT_EQ(server.misbehaviour(), std::vector<std::string>{"h2_flood"});
}

TEST(H2Faults, FloodsAreCalmed) {
  flood("PING", frame(NGHTTP2_PING, 0, 0, "12345678"), 20'000);
  flood("SETTINGS", frame(NGHTTP2_SETTINGS, 0, 0, ""), 20'000);
  flood("PRIORITY", frame(NGHTTP2_PRIORITY, 0, 3, std::string(5, '\0')), 20'000);
  std::string endless = frame(NGHTTP2_HEADERS, 0, 1, "\x82");
  for (int i = 0; i < 20; ++i) endless += frame(NGHTTP2_CONTINUATION, 0, 1, "\x84");
  flood("CONTINUATION", endless, 1);
}

TEST(H2Faults, EmptyDataIsAFlood) {
  SocketPair pair;
  TestServer server(pair.server, swallow);
  TestClient client(pair.client, {1 << 20, true, true});
  client.send_raw(kPreface + frame(NGHTTP2_SETTINGS, 0, 0, "") + frame(NGHTTP2_HEADERS, 4, 1, get_block()));
  std::string all;
  for (int i = 0; i < 5000; ++i) all += frame(NGHTTP2_DATA, 0, 1, "");
  client.send_raw(all);
  ASSERT_TRUE(client.run_until_closed());
  EXPECT_EQ(client.goaway_code(), NGHTTP2_ENHANCE_YOUR_CALM);
}

TEST(H2Faults, WhatIsNotHttp2IsClosed) {
  SocketPair pair;
  TestServer server(pair.server, hello);
  TestClient client(pair.client, {1 << 20, true, true});
  client.send_raw("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n");
  ASSERT_TRUE(client.run_until_closed());
  EXPECT_EQ(server.misbehaviour(), std::vector<std::string>{"h2_bad_preface"});
}

TEST(H2Faults, AConnectionErrorEndsTheConnection) {
  SocketPair pair;
  TestServer server(pair.server, hello);
  TestClient client(pair.client, {1 << 20, true, true});
  client.send_raw(kPreface + frame(NGHTTP2_SETTINGS, 0, 0, "") + frame(NGHTTP2_DATA, 0, 0, "x"));
  ASSERT_TRUE(client.run_until_closed());
  EXPECT_EQ(client.goaway_code(), NGHTTP2_PROTOCOL_ERROR);
  EXPECT_EQ(server.misbehaviour(), std::vector<std::string>{"h2_protocol_error"});
}

TEST(H2Faults, TasksOutrunByResetsRefuseNewStreams) {
  SocketPair pair;
  H2Options options;
  options.max_streams = 4;
  TestServer server(pair.server, [](TestServer& s, Exchange&) -> Task<bool> {
    const Running running(s);  // deaf to the client's leaving, as while a target is being connected to
    while (s.counted == 0) co_await loop::sleep_until(s.reactor(), loop::Clock::now() + milliseconds(8));
    co_return false;
  }, options);
  TestClient client(pair.client);
  client.run_until([&] { return client.remote_setting(NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS) == 4; });
  for (int i = 0; i < 8; ++i) {
    const auto id = client.get("/");
    ASSERT_TRUE(client.run_until([&] { return server.requests() == i + 1; }));
    client.reset(id);
  }
  const auto refused = client.get("/");
  ASSERT_TRUE(client.run_until([&] { return client.stream(refused).closed; }));
  EXPECT_EQ(client.stream(refused).error_code, NGHTTP2_REFUSED_STREAM);
  EXPECT_EQ(server.requests(), 8);
  server.counted = 1;
  ASSERT_TRUE(client.run_until([&] { return server.tasks == 0; }));
  const auto next = client.get("/");
  ASSERT_TRUE(client.run_until([&] { return client.stream(next).closed; }));
  EXPECT_EQ(client.stream(next).error_code, NGHTTP2_INTERNAL_ERROR);  // the handler's own ending
}

}  // namespace
}  // namespace envgate::http
