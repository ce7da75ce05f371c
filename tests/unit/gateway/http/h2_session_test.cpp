// HTTP/2 as a client sees it: answers, bodies, trailers, interleaving, and that what a stream holds back is
// bounded.
#include "gateway/http/h2_session.hpp"

#include <gtest/gtest.h>

#include "gateway/loop/event.hpp"
#include "tests/unit/gateway/http/h2_peer.hpp"

namespace envgate::http {
namespace {

using loop::Task;

const FieldList kNoTrailers;

Task<bool> hello(TestServer& server, Exchange& exchange) {
  const Running running(server);
  co_return co_await answer_text(exchange, "hello");
}

// The body back, as it comes, and its trailers.
Task<bool> echo(TestServer& server, Exchange& exchange) {
  const Running running(server);
  exchange.send_head(response(200, Framing::chunked), http2_forwarding(Framing::until_end));
  for (;;) {
    const BodyPiece piece = co_await exchange.read_body(loop::kNever);
    if (piece.state == BodyPiece::end) break;
    if (piece.state == BodyPiece::failed) {
      server.note(std::to_string(piece.status) + " " + std::string(piece.reason));
      exchange.abort();
      co_return false;
    }
    const bool sent = co_await exchange.send_body(piece.bytes);
    if (!sent) co_return false;
  }
  co_return co_await exchange.send_end(exchange.request_trailers());
}

Headers post(std::string path) { return request_fields("POST", std::move(path)); }

TEST(H2Session, AnswersARequest) {
  SocketPair pair;
  TestServer server(pair.server, hello);
  TestClient client(pair.client);
  const auto id = client.get("/");
  ASSERT_TRUE(client.run_until([&] { return client.stream(id).closed; }));
  EXPECT_EQ(client.stream(id).status(), "200");
  EXPECT_EQ(client.stream(id).field("content-length"), "5");
  EXPECT_EQ(client.stream(id).body, "hello");
  EXPECT_EQ(client.stream(id).error_code, NGHTTP2_NO_ERROR);
  EXPECT_EQ(client.remote_setting(NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL), 1u);
  EXPECT_EQ(client.remote_setting(NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS), 128u);
  EXPECT_TRUE(server.is_busy());
  EXPECT_TRUE(eventually([&] { return !server.is_busy(); }));
  EXPECT_TRUE(server.misbehaviour().empty());
}

// A head of 9 KB that tells its request from all others.
Task<bool> long_head(TestServer& server, Exchange& exchange) {
  const Running running(server);
  std::string value;
  while (value.size() < 3'000) value += exchange.request().path;
  ResponseHead head = response(200, Framing::length, 2);
  for (const char* name : {"x-one", "x-two", "x-three"}) head.fields.push_back({name, value});
  exchange.send_head(head, http2_forwarding(Framing::length));
  co_return co_await exchange.send_last("ok");
}

// All sessions of a thread pack their frames in one buffer: what one has not sent yet must not be lost when
// another is asked.
TEST(H2Session, LongHeadsOfSeveralConnectionsStayApart) {
  SocketPair first, second;
  TestServer server(first.server, long_head);
  server.add(second.server);
  TestClient slow(first.client), quick(second.client);
  const auto ask = [](TestClient& client, std::string_view letter) {
    std::vector<std::int32_t> asked;
    for (int i = 0; i < 60; ++i) asked.push_back(client.get("/" + std::string(letter) + std::to_string(i)));
    return asked;
  };
  const auto check = [](TestClient& client, std::string_view letter, const std::vector<std::int32_t>& asked) {
    ASSERT_TRUE(client.run_until([&] { return client.stream(asked.back()).closed; }));
    for (std::size_t i = 0; i < asked.size(); ++i) {
      std::string value;
      while (value.size() < 3'000) value += "/" + std::string(letter) + std::to_string(i);
      for (const char* name : {"x-one", "x-two", "x-three"})
        ASSERT_EQ(client.stream(asked[i]).field(name), value) << name << " of " << letter << i;
    }
  };
  const auto slow_asked = ask(slow, "s");  // half a megabyte: the server stops in the middle of a head
  ASSERT_TRUE(slow.run_until([&] { return !slow.stream(slow_asked[0]).heads.empty(); }));
  const auto quick_asked = ask(quick, "q");
  check(quick, "q", quick_asked);
  check(slow, "s", slow_asked);
}

TEST(H2Session, EchoesABody) {
  SocketPair pair;
  TestServer server(pair.server, echo);
  TestClient client(pair.client);
  const auto id = client.request(post("/"), true);
  std::string sent;
  for (int i = 0; i < 300'000; ++i) sent += static_cast<char>('a' + i % 23);
  client.send_data(id, sent);
  client.end(id);
  ASSERT_TRUE(client.run_until([&] { return client.stream(id).closed; }));
  EXPECT_EQ(client.stream(id).body, sent);
  EXPECT_TRUE(client.stream(id).end_stream);
}

TEST(H2Session, PassesTrailersBothWays) {
  SocketPair pair;
  TestServer server(pair.server, echo);
  TestClient client(pair.client);
  const auto id = client.request(post("/"), true);
  client.send_data(id, "body");
  client.end(id, {{"grpc-status", "0"}, {"cookie", "a=b"}});
  ASSERT_TRUE(client.run_until([&] { return client.stream(id).closed; }));
  EXPECT_EQ(client.stream(id).body, "body");
  ASSERT_EQ(client.stream(id).heads.size(), 2u);
  EXPECT_EQ(client.stream(id).field("grpc-status", 1), "0");
  EXPECT_EQ(client.stream(id).field("cookie", 1), "");  // may not be in trailers
}

TEST(H2Session, TrailersWithoutABody) {
  SocketPair pair;
  TestServer server(pair.server, echo);
  TestClient client(pair.client);
  const auto id = client.request(post("/"), true);
  client.end(id, {{"a", "b"}});
  ASSERT_TRUE(client.run_until([&] { return client.stream(id).closed; }));
  EXPECT_EQ(client.stream(id).body, "");
  EXPECT_EQ(client.stream(id).field("a", 1), "b");
}

TEST(H2Session, InterleavesStreams) {
  SocketPair pair;
  TestServer server(pair.server, echo);
  TestClient client(pair.client);
  constexpr std::size_t kStreams = 40, kRounds = 12;
  std::vector<std::int32_t> ids;
  for (std::size_t i = 0; i < kStreams; ++i)
    ids.push_back(client.request(post("/" + std::to_string(i)), true));
  std::vector<std::string> sent(kStreams);
  const auto echoed = [&](std::size_t i) -> const std::string& { return client.stream(ids[i]).body; };
  for (std::size_t round = 0; round < kRounds; ++round) {
    for (std::size_t i = 0; i < kStreams; ++i) {
      const std::string piece(1 + i * 211 + round * 17, static_cast<char>('a' + (i + round) % 26));
      sent[i] += piece;
      client.send_data(ids[i], piece);
    }
    // Every stream's echo has come this far before any of them goes on: none waits for another.
    ASSERT_TRUE(client.run_until([&] {
      for (std::size_t i = 0; i < kStreams; ++i)
        if (echoed(i).size() < sent[i].size()) return false;
      return true;
    })) << round;
  }
  EXPECT_TRUE(server.is_busy());
  for (const auto id : ids) client.end(id);
  ASSERT_TRUE(client.run_until(
      [&] { return client.stream(ids.back()).closed && client.stream(ids.front()).closed; }));
  for (std::size_t i = 0; i < kStreams; ++i) EXPECT_EQ(echoed(i), sent[i]);
}

TEST(H2Session, HeadAndNoContentEndWithTheirHead) {
  SocketPair pair;
  TestServer server(pair.server, [](TestServer&, Exchange& exchange) -> Task<bool> {
    const bool head = exchange.request().method == Method::head;
    ResponseHead answer = response(head ? 200 : 204, Framing::none);
    answer.has_content_length = head;
    answer.content_length = head ? 1234 : 0;
    exchange.send_head(answer, http2_forwarding(Framing::none));
    co_return co_await exchange.send_end(kNoTrailers);
  });
  TestClient client(pair.client);
  const auto head = client.request(request_fields("HEAD", "/"));
  const auto get = client.get("/");
  ASSERT_TRUE(client.run_until([&] { return client.stream(head).closed && client.stream(get).closed; }));
  EXPECT_EQ(client.stream(head).field("content-length"), "1234");
  EXPECT_EQ(client.stream(get).status(), "204");
}

TEST(H2Session, SendsInformationalHeadsBeforeTheAnswer) {
  SocketPair pair;
  TestServer server(pair.server, [](TestServer&, Exchange& exchange) -> Task<bool> {
    ResponseHead hints = response(103, Framing::none);
    hints.fields.push_back({"Link", "</a.css>; rel=preload", FieldId::other, false});
    co_await exchange.send_informational(hints);
    co_await exchange.send_informational(response(100, Framing::none));
    co_return co_await answer_text(exchange, "x");
  });
  TestClient client(pair.client);
  const auto id = client.get("/");
  ASSERT_TRUE(client.run_until([&] { return client.stream(id).closed; }));
  ASSERT_EQ(client.stream(id).heads.size(), 3u);
  EXPECT_EQ(client.stream(id).status(0), "103");
  EXPECT_EQ(client.stream(id).field("link", 0), "</a.css>; rel=preload");
  EXPECT_EQ(client.stream(id).status(1), "100");
  EXPECT_EQ(client.stream(id).status(2), "200");
}

TEST(H2Session, SendsErrorPages) {
  SocketPair pair;
  TestServer server(pair.server, [](TestServer&, Exchange& exchange) -> Task<bool> {
    ErrorContext context;
    context.environment = "demo";
    context.request_id = "feed";
    co_return co_await exchange.send_error(ErrorKind::stopped, context);
  });
  TestClient client(pair.client);
  const auto get = client.get("/");
  const auto head = client.request(request_fields("HEAD", "/"));
  ASSERT_TRUE(client.run_until([&] { return client.stream(head).closed && client.stream(get).closed; }));
  EXPECT_EQ(client.stream(get).status(), "503");
  EXPECT_EQ(client.stream(get).field("retry-after"), "5");
  EXPECT_NE(client.stream(get).body.find("demo"), std::string::npos);
  EXPECT_EQ(client.stream(head).status(), "503");
  EXPECT_EQ(client.stream(head).body, "");
}

// ---- flow control ----

TEST(H2Session, TakesNoMoreFromAClientThanItsTargetDoes) {
  SocketPair pair;
  H2Options options;
  options.stream_window = 70'000;
  options.connection_window = 100'000;
  TestServer server(pair.server, [](TestServer& s, Exchange& exchange) -> Task<bool> {
    // A target that takes one piece and then stalls until it is told.
    const BodyPiece first = co_await exchange.read_body(loop::kNever);
    s.counted += first.bytes.size();
    while (s.counted < 1'000'000'000) {
      co_await loop::sleep_until(s.reactor(), loop::Clock::now() + std::chrono::milliseconds(8));
    }
    std::size_t taken = first.bytes.size();
    for (;;) {
      const BodyPiece piece = co_await exchange.read_body(loop::kNever);
      if (piece.state != BodyPiece::data) break;
      taken += piece.bytes.size();
    }
    co_return co_await answer_text(exchange, std::to_string(taken));
  }, options);
  TestClient client(pair.client);
  const auto id = client.request(post("/"), true);
  client.run_until([&] { return client.remote_setting(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE) == 70'000; });
  client.send_data(id, std::string(1'000'000, 'x'));
  client.end(id);
  client.run_for(0.3);
  // Not yet: what is on its way is the window, and the first piece was not given back.
  EXPECT_FALSE(client.stream(id).closed);
  EXPECT_EQ(nghttp2_session_get_stream_remote_window_size(client.session(), id), 0);
  server.counted = 2'000'000'000;
  ASSERT_TRUE(client.run_until([&] { return client.stream(id).closed; }));
  EXPECT_EQ(client.stream(id).body, "1000000");
}

TEST(H2Session, AStalledStreamDoesNotHoldUpAnother) {
  SocketPair pair;
  TestServer server(pair.server, [](TestServer& s, Exchange& exchange) -> Task<bool> {
    const Running running(s);
    if (exchange.request().path == "/stall") {
      co_await loop::sleep_until(s.reactor(), loop::kNever);
    }
    co_return co_await echo(s, exchange);
  });
  TestClient client(pair.client);
  const auto stalled = client.request(post("/stall"), true);
  client.send_data(stalled, std::string(2'000'000, 'x'));
  const auto other = client.request(post("/"), true);
  client.send_data(other, std::string(2'000'000, 'y'));
  client.end(other);
  ASSERT_TRUE(client.run_until([&] { return client.stream(other).closed; }));
  EXPECT_EQ(client.stream(other).body.size(), 2'000'000u);
  EXPECT_FALSE(client.stream(stalled).closed);
}

// Takes everything at once, or a little now and then, and never answers.
Task<bool> take_all(TestServer& server, Exchange& exchange) {
  const Running running(server);
  const bool slow = exchange.request().path == "/slow";
  for (;;) {
    const BodyPiece piece = co_await exchange.read_body(loop::kNever);
    if (piece.state != BodyPiece::data) co_return false;
    server.counted += piece.bytes.size();
    const auto now_and_then = loop::Clock::now() + std::chrono::milliseconds(16);
    if (slow) co_await loop::sleep_until(server.reactor(), now_and_then);
  }
}

TEST(H2Session, WindowsGrowWhereTheTargetKeepsUp) {
  for (const bool slow : {false, true}) {
    SocketPair pair;
    TestServer server(pair.server, take_all);
    TestClient client(pair.client);
    const auto id = client.request(post(slow ? "/slow" : "/fast"), true);
    const std::size_t size = slow ? 1'000'000 : 5'000'000;
    client.send_data(id, std::string(size, 'x'));
    ASSERT_TRUE(client.run_until([&] { return server.counted == size; }, 20));
    client.run_for(0.05);
    const auto open = nghttp2_session_get_stream_remote_window_size(client.session(), id);
    if (slow) EXPECT_LE(open, 256 * 1024);
    else EXPECT_GT(open, 1'000'000);
    EXPECT_LE(open, 8 * 1024 * 1024);
  }
}

Task<bool> endless(TestServer& server, Exchange& exchange) {
  const Running running(server);
  exchange.send_head(response(200, Framing::chunked), http2_forwarding(Framing::until_end));
  const std::string piece(10'000, 'z');
  while (server.counted < 50'000'000) {
    const bool sent = co_await exchange.send_body(piece);
    if (!sent) break;
    server.counted += piece.size();
  }
  co_return co_await exchange.send_end(kNoTrailers);
}

TEST(H2Session, AClientThatOpensNoWindowSlowsTheTarget) {
  SocketPair pair;
  TestServer server(pair.server, endless);
  TestClient::Options options;
  options.stream_window = 100'000;
  options.auto_window_update = false;
  TestClient client(pair.client, options);
  const auto id = client.get("/");
  ASSERT_TRUE(client.run_until([&] { return client.stream(id).body.size() == 65'535; }));  // the connection's
  client.run_for(0.2);
  EXPECT_EQ(client.stream(id).body.size(), 65'535u);
  EXPECT_LE(server.counted, 80'000u);
  client.consume(id, 65'535);
  ASSERT_TRUE(client.run_until([&] { return client.stream(id).body.size() >= 100'000; }));
}

TEST(H2Session, AClientThatDoesNotReadSlowsTheTarget) {
  SocketPair pair;
  TestServer server(pair.server, endless);
  TestClient::Options options;
  options.stream_window = 1 << 30;
  TestClient client(pair.client, options);
  nghttp2_session_set_local_window_size(client.session(), NGHTTP2_FLAG_NONE, 0, 1 << 30);
  const auto id = client.get("/");
  ASSERT_TRUE(client.run_until([&] { return !client.stream(id).body.empty(); }));
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  const std::size_t before = server.counted;
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  EXPECT_EQ(server.counted, before);  // the socket is full, and nothing more was taken
  EXPECT_LT(before, 2'000'000u);
  ASSERT_TRUE(client.run_until([&] { return client.stream(id).closed; }, 20));
  EXPECT_EQ(client.stream(id).body.size(), server.counted);
}

TEST(H2Session, SmallPiecesLeaveAtOnceAndTogether) {
  SocketPair pair;
  TestServer server(pair.server, [](TestServer& s, Exchange& exchange) -> Task<bool> {
    exchange.send_head(response(200, Framing::chunked), http2_forwarding(Framing::until_end));
    for (int i = 0; i < 1000; ++i) {
      const bool sent = co_await exchange.send_body("event\n");
      if (!sent) co_return false;
    }
    co_await exchange.flush();
    co_await loop::sleep_until(s.reactor(), loop::Clock::now() + std::chrono::milliseconds(300));
    co_return co_await exchange.send_end(kNoTrailers);
  });
  TestClient client(pair.client);
  const auto id = client.get("/");
  ASSERT_TRUE(client.run_until([&] { return client.stream(id).body.size() == 6000; }));
  EXPECT_FALSE(client.stream(id).closed);  // they did not wait for the end
  ASSERT_TRUE(client.run_until([&] { return client.stream(id).closed; }));
}

// ---- tunnels ----

TEST(H2Session, CarriesATunnelBothWaysAndHalfClosed) {
  SocketPair pair;
  TestServer server(pair.server, [](TestServer& s, Exchange& exchange) -> Task<bool> {
    EXPECT_EQ(exchange.request().upgrade, Upgrade::websocket);
    EXPECT_FALSE(exchange.body_ended());
    ResponseHead head = response(200, Framing::none);
    head.upgrade = Upgrade::websocket;
    exchange.send_head(head, http2_forwarding(Framing::none));
    net::Buffer early;
    EXPECT_EQ(exchange.tunnel(early), nullptr);
    EXPECT_EQ(exchange.request().path, "/socket");
    EXPECT_EQ(exchange.request().authority.text, "a.example");
    for (;;) {
      const BodyPiece piece = co_await exchange.read_body(loop::kNever);
      if (piece.state != BodyPiece::data) {
        s.note(piece.state == BodyPiece::end ? "end" : "failed");
        break;
      }
      const bool sent = co_await exchange.send_body(piece.bytes);
      if (!sent) co_return false;
    }
    co_await exchange.send_body("bye");
    co_return co_await exchange.send_end(kNoTrailers);
  });
  TestClient client(pair.client);
  const auto id = client.request({{":method", "CONNECT"}, {":protocol", "websocket"}, {":scheme", "https"},
                                  {":authority", "a.example"}, {":path", "/socket"},
                                  {"sec-websocket-version", "13"}}, true);
  ASSERT_TRUE(client.run_until([&] { return client.stream(id).status() == "200"; }));
  EXPECT_FALSE(client.stream(id).end_stream);
  for (const std::string_view message : {"one", "two"}) {
    const std::size_t before = client.stream(id).body.size();
    client.send_data(id, message);
    ASSERT_TRUE(client.run_until([&] { return client.stream(id).body.size() == before + 3; }));
  }
  client.end(id);
  ASSERT_TRUE(client.run_until([&] { return client.stream(id).closed; }));
  EXPECT_EQ(client.stream(id).body, "onetwobye");
  EXPECT_EQ(client.stream(id).error_code, NGHTTP2_NO_ERROR);
  EXPECT_EQ(server.notes(), std::vector<std::string>{"end"});
}

TEST(H2Session, ATunnelThatIsResetFailsItsReader) {
  SocketPair pair;
  TestServer server(pair.server, echo);
  TestClient client(pair.client);
  const auto id = client.request({{":method", "CONNECT"}, {":protocol", "websocket"}, {":scheme", "https"},
                                  {":authority", "a.example"}, {":path", "/socket"}}, true);
  ASSERT_TRUE(client.run_until([&] { return client.stream(id).status() == "200"; }));
  client.reset(id);
  ASSERT_TRUE(client.run_until([&] { return !server.notes().empty(); }));
  EXPECT_EQ(server.notes()[0], "0 client_gone");
}

}  // namespace
}  // namespace envgate::http
