// The whole engine on the control plane's feed: snapshot, changes, and everything that can go wrong with a
// server that is away, restarted, another one, silent, or says nonsense.
#include "routing/control/source.hpp"

#include <gtest/gtest.h>

#include <atomic>

#include "tests/unit/routing/feed_server.hpp"

namespace envgate::routing {
namespace {

using testing::address_of;
using testing::eventually;
using testing::FeedServer;
using testing::id;
using testing::TempDir;
using namespace std::chrono_literals;

const std::string kHead = "HTTP/1.0 200 OK\r\nContent-Type: application/x-ndjson\r\n\r\n";

std::string begin(int generation, const std::string& install = "one") {
  return R"({"type":"begin","install":")" + install + R"(","generation":)" + std::to_string(generation) +
         "}\n";
}

std::string end(int generation) {
  return R"({"type":"end","generation":)" + std::to_string(generation) + "}\n";
}

std::string route_of(const std::string& env, const std::string& address, int generation = 1) {
  return R"({"env":")" + env + R"(","generation":)" + std::to_string(generation) + R"(,"address":")" +
         address + R"("})";
}

std::string named(const std::string& env, const std::string& address, int generation = 1) {
  return R"({"type":"route","route":)" + route_of(env, address, generation) + "}\n";
}

std::string change(int feed_generation, const std::string& route) {
  return R"({"type":"route","generation":)" + std::to_string(feed_generation) + R"(,"route":)" + route +
         "}\n";
}

std::string gone(int generation, const std::string& env) {
  return R"({"type":"gone","generation":)" + std::to_string(generation) + R"(,"env":")" + env + "\"}\n";
}

std::string alive(int generation) {
  return R"({"type":"alive","generation":)" + std::to_string(generation) + "}\n";
}

class RouterOnAFeed : public ::testing::Test {
 protected:
  RouterOnAFeed() : server(dir / "control.sock") {
    settings.source = SourceKind::control;
    settings.control.socket = dir / "control.sock";
    settings.control.silence = 60s;  // but where a test is about it
    settings.control.retry_first = 2ms;
    settings.control.retry_most = 10ms;
    settings.start_wait = 10s;
  }
  static bool is(const Router& router, SourceState state) {
    return eventually([&] { return router.status().state == state; });
  }
  TempDir dir;
  FeedServer server;
  RoutingSettings settings;
};

TEST_F(RouterOnAFeed, TakesTheSnapshotAndFollowsChanges) {
  server.greet(kHead + begin(41) + named("a", "10.0.0.1", 17) + named("b", "10.0.0.2") + end(41));
  Router router(settings);
  ASSERT_TRUE(router.start());
  EXPECT_EQ(server.request(), "GET /api/routes?watch=1 HTTP/1.0\r\nHost: control\r\n\r\n");
  EXPECT_EQ(router.status().state, SourceState::live);
  EXPECT_TRUE(router.status().connected);
  EXPECT_EQ(router.status().epoch, 1u);
  EXPECT_EQ(address_of(router, "a"), "10.0.0.1");
  EXPECT_EQ(router.status().routes, 2u);
  server.send(change(42, route_of("a", "10.0.0.9", 18)) + gone(43, "b"));
  EXPECT_TRUE(eventually([&] { return router.status().routes == 1; }));
  EXPECT_EQ(address_of(router, "a"), "10.0.0.9");
  server.send(change(44, route_of("a", "10.0.0.1", 17)) + change(45, route_of("c", "10.0.0.3")));
  EXPECT_TRUE(eventually([&] { return address_of(router, "c") == "10.0.0.3"; }));
  EXPECT_EQ(address_of(router, "a"), "10.0.0.9");  // an older generation never replaces a newer one
  EXPECT_EQ(server.connections(), 1);
}

TEST_F(RouterOnAFeed, IsNotLiveBeforeTheSnapshotEnds) {
  server.greet(kHead + begin(1) + named("a", "10.0.0.1"));
  settings.start_wait = 50ms;
  Router router(settings);
  ASSERT_TRUE(router.start());
  ASSERT_TRUE(eventually([&] { return address_of(router, "a") == "10.0.0.1"; }));
  EXPECT_EQ(router.status().state, SourceState::loading);
  std::atomic<int> found{0}, absent{0};
  ASSERT_TRUE(router.resolve(id("late"), [&](const Resolution& resolution) {
    if (resolution.outcome == Resolution::Outcome::found) ++found;
  }));
  ASSERT_TRUE(router.resolve(id("never"), [&](const Resolution& resolution) {
    if (resolution.outcome == Resolution::Outcome::absent) ++absent;
  }));
  EXPECT_EQ(found + absent, 0);
  server.send(named("late", "10.0.0.2") + end(1));
  EXPECT_TRUE(eventually([&] { return found == 1 && absent == 1; }));
  EXPECT_TRUE(is(router, SourceState::live));
  ASSERT_TRUE(router.resolve(id("nobody"), [&](const Resolution& resolution) {
    if (resolution.outcome == Resolution::Outcome::absent) ++absent;
  }));
  EXPECT_TRUE(eventually([&] { return absent == 2; }));  // live: at once, though the server says nothing more
}

TEST_F(RouterOnAFeed, ServesOnWhileTheServerIsAwayAndCatchesUp) {
  server.greet(kHead + begin(5) + named("stays", "10.0.0.1") + named("goes", "10.0.0.2") + end(5));
  Router router(settings);
  ASSERT_TRUE(router.start());
  server.stop();
  ASSERT_TRUE(is(router, SourceState::stale));
  EXPECT_FALSE(router.status().connected);
  EXPECT_NE(router.status().last_error.find("control.sock: "), std::string::npos)
      << router.status().last_error;
  EXPECT_EQ(router.status().routes, 2u);
  std::atomic<int> unavailable{0};
  ASSERT_TRUE(router.resolve(id("unknown"), [&](const Resolution& resolution) {
    if (resolution.outcome == Resolution::Outcome::unavailable) ++unavailable;
  }));
  EXPECT_TRUE(eventually([&] { return unavailable == 1; }));
  server.greet(kHead + begin(8) + named("stays", "10.0.0.7", 2) + named("new", "10.0.0.3") + end(8));
  server.start();
  ASSERT_TRUE(is(router, SourceState::live));
  EXPECT_EQ(router.status().last_error, "");
  EXPECT_EQ(address_of(router, "stays"), "10.0.0.7");
  EXPECT_EQ(address_of(router, "new"), "10.0.0.3");
  EXPECT_EQ(address_of(router, "goes"), "");
  EXPECT_EQ(router.status().epoch, 1u);  // the same control plane, further on
}

TEST_F(RouterOnAFeed, ASnapshotThatBreaksOffTakesNothingAway) {
  server.greet(kHead + begin(5) + named("a", "10.0.0.1") + named("b", "10.0.0.2") + end(5));
  Router router(settings);
  ASSERT_TRUE(router.start());
  server.greet(kHead + begin(6) + named("a", "10.0.0.9", 2));
  server.drop();
  ASSERT_TRUE(eventually([&] { return address_of(router, "a") == "10.0.0.9"; }));
  EXPECT_EQ(address_of(router, "b"), "10.0.0.2");
  EXPECT_EQ(router.status().state, SourceState::stale);
  server.drop();
  ASSERT_TRUE(eventually([&] { return server.connections() >= 3; }));
  EXPECT_EQ(address_of(router, "b"), "10.0.0.2");
  server.send(end(6));
  EXPECT_TRUE(eventually([&] { return address_of(router, "b").empty(); }));
  EXPECT_TRUE(is(router, SourceState::live));
}

TEST_F(RouterOnAFeed, AnotherInstallOrAnEarlierGenerationIsBelieved) {
  server.greet(kHead + begin(50) + named("a", "10.0.0.1", 9) + end(50));
  Router router(settings);
  ASSERT_TRUE(router.start());
  server.greet(kHead + begin(60) + named("a", "10.0.0.2", 8) + end(60));
  server.drop();  // the same one, further on: its older route is a mistake
  ASSERT_TRUE(eventually([&] { return server.connections() == 2; }) && is(router, SourceState::live));
  EXPECT_EQ(address_of(router, "a"), "10.0.0.1");
  server.greet(kHead + begin(40) + named("a", "10.0.0.3", 7) + end(40));
  server.drop();  // restored from a backup
  EXPECT_TRUE(eventually([&] { return address_of(router, "a") == "10.0.0.3"; }));
  server.greet(kHead + begin(70, "two") + named("a", "10.0.0.4", 1) + end(70));
  server.drop();  // set up anew
  EXPECT_TRUE(eventually([&] { return address_of(router, "a") == "10.0.0.4"; }));
  EXPECT_EQ(router.status().epoch, 3u);
}

TEST_F(RouterOnAFeed, StartsFromTheSnapshotOnDiskAndBelievesAnOlderServer) {
  settings.snapshot = dir / "routes.snapshot";
  server.greet(kHead + begin(50) + named("a", "10.0.0.1", 9) + named("b", "10.0.0.2") + end(50));
  {
    Router router(settings);
    ASSERT_TRUE(router.start());
  }
  server.stop();
  Router router(settings);
  ASSERT_TRUE(router.start());
  EXPECT_EQ(router.status().state, SourceState::stale);
  EXPECT_EQ(address_of(router, "a"), "10.0.0.1");
  server.greet(kHead + begin(30) + named("a", "10.0.0.3", 5) + end(30));
  server.start();
  ASSERT_TRUE(is(router, SourceState::live));
  EXPECT_EQ(address_of(router, "a"), "10.0.0.3");
  EXPECT_EQ(address_of(router, "b"), "");
}

TEST_F(RouterOnAFeed, SilenceIsALostServer) {
  settings.control.silence = 150ms;
  settings.control.answer = 300ms;
  server.greet(kHead + begin(1) + named("a", "10.0.0.1") + end(1));
  Router router(settings);
  ASSERT_TRUE(router.start());
  for (int i = 0; i < 20; ++i) {
    std::this_thread::sleep_for(20ms);
    server.send(alive(1));
  }
  EXPECT_EQ(server.connections(), 1);
  server.greet("");  // from now on nothing, however often it is asked
  ASSERT_TRUE(is(router, SourceState::stale));
  EXPECT_NE(router.status().last_error.find("silent for 150 ms"), std::string::npos);
  EXPECT_EQ(address_of(router, "a"), "10.0.0.1");
  EXPECT_TRUE(eventually([&] { return server.connections() >= 3; }));
  EXPECT_NE(router.status().last_error.find("silent for 300 ms"), std::string::npos);
  server.greet(kHead + begin(2) + named("a", "10.0.0.2", 2) + end(2));
  EXPECT_TRUE(eventually([&] { return address_of(router, "a") == "10.0.0.2"; }));
}

// The control plane writes the head at once, and only then gathers its snapshot.
TEST_F(RouterOnAFeed, ASnapshotMayTakeLongerThanASilenceBetweenTwoLines) {
  settings.control.silence = 100ms;
  settings.control.answer = 60s;
  settings.start_wait = 10ms;
  server.greet(kHead);
  Router router(settings);
  ASSERT_TRUE(router.start());
  std::this_thread::sleep_for(400ms);
  EXPECT_EQ(server.connections(), 1);
  EXPECT_EQ(router.status().last_error, "");
  server.send(begin(1) + named("a", "10.0.0.1") + end(1));
  EXPECT_TRUE(eventually([&] { return address_of(router, "a") == "10.0.0.1"; }));
  EXPECT_TRUE(is(router, SourceState::stale));  // from here on the shorter one counts
  EXPECT_NE(router.status().last_error.find("silent for 100 ms"), std::string::npos);
}

TEST_F(RouterOnAFeed, ARefusalSaysWhatIsMissing) {
  server.greet(
      "HTTP/1.0 403 Forbidden\r\nContent-Length: 36\r\n\r\n{\"detail\":\"members of envgate only\"}\n");
  settings.start_wait = 100ms;
  Router router(settings);
  ASSERT_TRUE(router.start());
  ASSERT_TRUE(eventually([&] { return !router.status().last_error.empty(); }));
  const std::string error = router.status().last_error;
  EXPECT_NE(error.find("403 Forbidden: members of envgate only"), std::string::npos) << error;
  EXPECT_NE(error.find("control.groups.read"), std::string::npos) << error;
  EXPECT_EQ(router.status().state, SourceState::loading);
  server.greet(kHead + begin(1) + named("a", "10.0.0.1") + end(1));
  EXPECT_TRUE(is(router, SourceState::live));
}

TEST_F(RouterOnAFeed, NonsenseEndsTheSessionAndABadRouteDoesNot) {
  server.greet(kHead + begin(1) + named("a", "10.0.0.1") + named("b", "10.0.0.2") + end(1));
  Router router(settings);
  ASSERT_TRUE(router.start());
  server.send(change(2, route_of("b", "nowhere")) + change(3, route_of("c", "169.254.169.254")) +
              change(4, route_of("d", "10.0.0.4")));
  ASSERT_TRUE(eventually([&] { return address_of(router, "d") == "10.0.0.4"; }));
  EXPECT_EQ(address_of(router, "b"), "");
  EXPECT_EQ(router.status().refused, (std::map<std::string, std::size_t>{{"address", 1}, {"invalid", 1}}));
  EXPECT_EQ(server.connections(), 1);
  const std::string no_snapshot = kHead + alive(1);
  int connections = 1;
  for (const std::string& nonsense : {std::string("nonsense\n"), change(1, route_of("a", "10.0.0.9")), end(9),
                                      named("a", "10.0.0.9"), std::string(70000, 'x')}) {
    server.greet(no_snapshot);
    server.send(nonsense);
    ASSERT_TRUE(is(router, SourceState::stale)) << nonsense.substr(0, 80);
    ASSERT_TRUE(eventually([&] { return server.connections() > connections + 2; })) << nonsense.substr(0, 80);
    EXPECT_EQ(address_of(router, "a"), "10.0.0.1");
    EXPECT_EQ(address_of(router, "d"), "10.0.0.4");
    server.greet(kHead + begin(4) + named("a", "10.0.0.1") + named("d", "10.0.0.4") + end(4));
    ASSERT_TRUE(is(router, SourceState::live));
    connections = server.connections();
  }
}

TEST_F(RouterOnAFeed, ReloadTakesAnotherSnapshot) {
  server.greet(kHead + begin(1) + named("a", "10.0.0.1") + end(1));
  Router router(settings);
  ASSERT_TRUE(router.start());
  server.greet(kHead + begin(2) + named("a", "10.0.0.2", 2) + end(2));
  router.reload(settings);
  EXPECT_TRUE(eventually([&] { return address_of(router, "a") == "10.0.0.2"; }));
  EXPECT_EQ(server.connections(), 2);
}

TEST_F(RouterOnAFeed, AStoppedEnvironmentNeedsNoAddress) {
  const std::string stopped = R"({"env":"a","generation":2,"state":"stopped","ssh":{"listen_port":50022}})";
  server.greet(kHead + begin(1) + change(1, stopped) + end(1));
  Router router(settings);
  ASSERT_TRUE(router.start());
  const RoutePtr route = router.get(id("a"));
  ASSERT_TRUE(route);
  EXPECT_TRUE(route->nowhere());
  EXPECT_EQ(route->ssh.listen_port, 50022);
  EXPECT_TRUE(router.status().refused.empty());
  EXPECT_EQ(to_json(*route).find("address"), std::string::npos);
  server.send(change(2, R"({"env":"a","generation":3,"state":"running"})"));  // but one that runs does
  EXPECT_TRUE(eventually([&] { return !router.get(id("a")); }));
}

TEST_F(RouterOnAFeed, RefusesAPathThatIsNoSocket) {
  for (const std::string& path : {std::string(), "/" + std::string(200, 'x')}) {
    settings.control.socket = path;
    EXPECT_FALSE(Router(settings).start()) << path;
  }
}

}  // namespace
}  // namespace envgate::routing
