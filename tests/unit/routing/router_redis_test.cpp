// The whole engine on a real redis-server: what the seed writes, pushes, and everything that can happen to a
// store.
#include <gtest/gtest.h>

#include <atomic>
#include <mutex>

#include "base/metrics.hpp"
#include "tests/unit/routing/redis_server.hpp"

namespace envgate::routing {
namespace {

using testing::address_of;
using testing::eventually;
using testing::id;
using testing::RedisServer;
using testing::Relay;
using testing::TempDir;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

class RouterOnRedis : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!RedisServer::installed())
      GTEST_SKIP() << "redis-server is not installed (apt-get install redis-server)";
    redis = std::make_unique<RedisServer>();
    settings.source = SourceKind::redis;
    settings.redis.url = redis->url();
    settings.start_wait = 10s;
    settings.redis.empty_grace = 300ms;
  }
  bool gets(const Router& router, const std::string& env, const std::string& address,
            std::chrono::milliseconds limit = 5s) {
    return eventually([&] { return address_of(router, env) == address; }, limit);
  }
  bool turns(const Router& router, SourceState state, std::chrono::milliseconds limit = 10s) {
    return eventually([&] { return router.status().state == state; }, limit);
  }

  std::unique_ptr<RedisServer> redis;
  RoutingSettings settings;
};

TEST_F(RouterOnRedis, ReadsWhatTheSeedWrites) {
  redis->command({"SET", "env:6hiflzwte2xnkroq:ip", "192.168.1.101"});
  redis->command({"SET", "env:6hiflzwte2xnkroq:ssh_port", "56376"});
  redis->command({"SET", "env:6hiflzwte2xnkroq:type", "physical"});
  redis->command({"SET", "env:onlyip:ip", "172.17.0.50"});
  redis->command({"SET", "env:both:ip", "10.0.0.1"});
  redis->command({"SET", "env:both:route", R"({"address":"10.0.0.2","generation":3})"});
  redis->command({"SET", "env:routeonly:route", R"({"address":"10.0.0.3"})"});
  redis->command({"SET", "env:half:ssh_port", "50000"});  // no ip: no route
  redis->command({"SET", "env:Not_An_Id:ip", "10.0.0.4"});
  redis->command({"SET", "unrelated", "x"});
  Router router(settings);
  ASSERT_TRUE(router.start());
  EXPECT_EQ(router.status().state, SourceState::live);
  EXPECT_TRUE(router.status().connected);
  EXPECT_EQ(router.status().routes, 4u);
  const RoutePtr machine = router.get(id("6hiflzwte2xnkroq"));
  ASSERT_TRUE(machine);
  EXPECT_EQ(machine->ssh.listen_port, 56376);
  EXPECT_EQ(machine->ssh_target().to_string(), "192.168.1.101:22");
  EXPECT_EQ(machine->kind, Kind::physical);
  EXPECT_EQ(address_of(router, "onlyip"), "172.17.0.50");
  EXPECT_EQ(address_of(router, "both"), "10.0.0.2");
  EXPECT_EQ(address_of(router, "routeonly"), "10.0.0.3");
  EXPECT_EQ(address_of(router, "half"), "");
}

TEST_F(RouterOnRedis, FollowsEveryKindOfChange) {
  Router router(settings);
  ASSERT_TRUE(router.start());
  redis->seed("a", "10.0.0.1");
  EXPECT_TRUE(gets(router, "a", "10.0.0.1"));
  redis->command({"SET", "env:a:ssh_port", "50001"});
  EXPECT_TRUE(eventually([&] { return router.get(id("a"))->ssh.listen_port == 50001; }));
  redis->command({"MSET", "env:a:ip", "10.0.0.2", "env:a:ssh_port", "50002"});
  EXPECT_TRUE(gets(router, "a", "10.0.0.2"));
  redis->command({"SET", "env:a:route", R"({"address":"10.0.0.3"})"});
  EXPECT_TRUE(gets(router, "a", "10.0.0.3"));
  redis->command({"DEL", "env:a:route"});
  EXPECT_TRUE(gets(router, "a", "10.0.0.2"));
  redis->command(
      {"EVAL", "for _, k in ipairs({'ip','ssh_port'}) do redis.call('DEL', 'env:a:' .. k) end", "0"});
  EXPECT_TRUE(gets(router, "a", ""));
  redis->command({"SET", "env:b:ip", "10.0.0.5", "PX", "200"});
  EXPECT_TRUE(gets(router, "b", "10.0.0.5"));
  EXPECT_TRUE(gets(router, "b", ""));  // expired
  redis->command({"SET", "env:c:ip", "10.0.0.6"});
  EXPECT_TRUE(gets(router, "c", "10.0.0.6"));
  redis->command({"RENAME", "env:c:ip", "env:d:ip"});
  EXPECT_TRUE(gets(router, "d", "10.0.0.6"));
  EXPECT_TRUE(gets(router, "c", ""));
  redis->command({"PUBLISH", "__redis__:invalidate", "somebody's own message"});
  redis->command({"UNLINK", "env:d:ip"});
  EXPECT_TRUE(gets(router, "d", ""));
  EXPECT_EQ(router.status().epoch, 1u);
}

TEST_F(RouterOnRedis, AChangeIsObeyedWithin50Milliseconds) {
  redis->seed("a", "10.0.0.1");
  Router router(settings);
  ASSERT_TRUE(router.start());
  std::vector<double> times;
  for (int i = 1; i <= 50; ++i) {
    const std::string address = "10.0.1." + std::to_string(i);
    redis->seed("a", address);
    const auto written = Clock::now();
    ASSERT_TRUE(gets(router, "a", address));
    times.push_back(std::chrono::duration<double, std::milli>(Clock::now() - written).count());
  }
  std::sort(times.begin(), times.end());
  RecordProperty("median_ms", std::to_string(times[25]));
  EXPECT_LT(times[45], 50.0);
}

TEST_F(RouterOnRedis, FlushedRoutesGoOnceRedisConfirmsIt) {
  for (int i = 0; i < 500; ++i) redis->seed("e" + std::to_string(i), "10.0.0.1");
  Router router(settings);
  ASSERT_TRUE(router.start());
  EXPECT_EQ(router.status().routes, 500u);
  redis->command({"FLUSHALL"});
  redis->seed("e7", "10.0.0.7");
  EXPECT_TRUE(eventually([&] { return router.status().routes == 1; }));
  EXPECT_TRUE(gets(router, "e7", "10.0.0.7"));  // it may be the last of those that are read again
  EXPECT_GE(router.status().epoch, 2u);
  EXPECT_TRUE(router.status().connected);
}

TEST_F(RouterOnRedis, AFlushOfAnotherDatabaseDropsNothing) {
  redis->seed("a", "10.0.0.1");
  Router router(settings);
  std::atomic<int> changes{0};
  router.subscribe([&](std::span<const RouteChange> batch) { changes += static_cast<int>(batch.size()); });
  ASSERT_TRUE(router.start());
  EXPECT_EQ(changes, 1);
  redis->command(
      {"EVAL", "redis.call('SELECT', 5) redis.call('FLUSHDB')", "0"});  // a nil payload all the same
  ASSERT_TRUE(eventually([&] { return router.status().epoch == 2; }));
  redis->seed("b", "10.0.0.2");
  ASSERT_TRUE(gets(router, "b", "10.0.0.2"));
  EXPECT_EQ(address_of(router, "a"), "10.0.0.1");
  EXPECT_EQ(changes, 2);
}

TEST_F(RouterOnRedis, ServesWhileRedisIsAway) {
  redis->seed("a", "10.0.0.1");
  redis->seed("b", "10.0.0.2");
  Router router(settings);
  ASSERT_TRUE(router.start());
  redis->kill();
  ASSERT_TRUE(turns(router, SourceState::stale));
  EXPECT_FALSE(router.status().connected);
  EXPECT_EQ(address_of(router, "a"), "10.0.0.1");
  redis->start();  // empty: its data were not kept
  redis->seed("a", "10.0.0.9");
  EXPECT_TRUE(gets(router, "a", "10.0.0.9"));
  EXPECT_TRUE(turns(router, SourceState::live));
  EXPECT_EQ(address_of(router, "b"), "");  // gone, after the grace
}

TEST_F(RouterOnRedis, ANewAndEmptyServerIsGivenTimeToBeRefilled) {
  settings.redis.empty_grace = 1500ms;
  for (int i = 0; i < 100; ++i) redis->seed("e" + std::to_string(i), "10.0.0.1");
  Router router(settings);
  std::atomic<int> dropped{0};
  router.subscribe([&](std::span<const RouteChange> batch) {
    for (const RouteChange& change : batch) dropped += !change.after;
  });
  ASSERT_TRUE(router.start());
  redis->kill();
  redis->start();
  ASSERT_TRUE(
      eventually([&] { return router.status().last_error.find("a new server") != std::string::npos; }));
  EXPECT_EQ(router.status().routes, 100u);
  for (int i = 0; i < 99; ++i) redis->seed("e" + std::to_string(i), "10.0.0.1");
  EXPECT_EQ(dropped, 0);
  ASSERT_TRUE(turns(router, SourceState::live));
  EXPECT_EQ(router.status().routes, 99u);
  EXPECT_EQ(dropped, 1);
}

TEST_F(RouterOnRedis, ALoadingServerDropsNothing) {
  for (int i = 0; i < 30; ++i) redis->seed("e" + std::to_string(i), "10.0.0.1");
  // Loading serves clients only every so many bytes: something to load slowly.
  redis->command({"CONFIG", "SET", "rdbcompression", "no"});
  redis->command(
      {"EVAL", "for i = 1, 100 do redis.call('SET', 'filler' .. i, string.rep('x', 2000)) end", "0"});
  redis->command({"SAVE"});
  Router router(settings);
  ASSERT_TRUE(router.start());
  redis->kill();
  redis->start(false, {"--key-load-delay", "15000", "--loading-process-events-interval-bytes", "1024"});
  ASSERT_TRUE(eventually([&] { return redis->command({"GET", "x"}).starts_with("LOADING"); }));
  ASSERT_TRUE(eventually([&] { return router.status().last_error.find("LOADING") != std::string::npos; }))
      << router.status().last_error;
  EXPECT_EQ(router.status().routes, 30u);
  ASSERT_TRUE(turns(router, SourceState::live));
  EXPECT_EQ(router.status().routes, 30u);
}

TEST_F(RouterOnRedis, AFreezeIsNoticedAndOutlived) {
  redis->seed("a", "10.0.0.1");
  settings.redis.silence = 600ms;
  settings.redis.canary = 150ms;
  settings.redis.connect_timeout = 600ms;
  Router router(settings);
  ASSERT_TRUE(router.start());
  redis->pause();
  const auto frozen = Clock::now();
  ASSERT_TRUE(turns(router, SourceState::stale));
  EXPECT_GT(Clock::now() - frozen, 400ms);
  EXPECT_LT(Clock::now() - frozen, 2s);
  EXPECT_NE(router.status().last_error.find("nothing heard"), std::string::npos);
  std::this_thread::sleep_for(2s);
  EXPECT_EQ(address_of(router, "a"), "10.0.0.1");
  EXPECT_EQ(router.status().state, SourceState::stale);
  EXPECT_GT(router.status().age, 2s);
  redis->resume();
  ASSERT_TRUE(turns(router, SourceState::live));
  redis->seed("a", "10.0.0.2");
  EXPECT_TRUE(gets(router, "a", "10.0.0.2"));
}

TEST_F(RouterOnRedis, WhatChangedWhileAwayIsSeenAfterwards) {
  Relay relay({redis->socket()});
  settings.redis.url = relay.url();
  settings.redis.silence = 500ms;
  settings.redis.canary = 100ms;
  redis->seed("kept", "10.0.0.1");
  redis->seed("moved", "10.0.0.2");
  redis->seed("gone", "10.0.0.3");
  Router router(settings);
  ASSERT_TRUE(router.start());
  relay.freeze(true);
  redis->seed("moved", "10.0.0.20");
  redis->command({"DEL", "env:gone:ip"});
  redis->seed("fresh", "10.0.0.4");
  ASSERT_TRUE(turns(router, SourceState::stale));
  relay.freeze(false);
  ASSERT_TRUE(turns(router, SourceState::live));
  EXPECT_EQ(address_of(router, "kept"), "10.0.0.1");
  EXPECT_EQ(address_of(router, "moved"), "10.0.0.20");
  EXPECT_EQ(address_of(router, "gone"), "");
  EXPECT_EQ(address_of(router, "fresh"), "10.0.0.4");
}

TEST_F(RouterOnRedis, LosingOnlyThePushConnectionIsNoticed) {
  redis->seed("a", "10.0.0.1");
  Router router(settings);
  ASSERT_TRUE(router.start());
  EXPECT_EQ(redis->command({"EVAL", "redis.call('SET', 'env:a:ip', '10.0.0.2')", "0"}), "");
  ASSERT_TRUE(gets(router, "a", "10.0.0.2"));
  EXPECT_EQ(redis->command({"CLIENT", "KILL", "TYPE", "pubsub"}), "1");
  redis->seed("a", "10.0.0.3");
  EXPECT_TRUE(gets(router, "a", "10.0.0.3"));
  EXPECT_TRUE(turns(router, SourceState::live));
  EXPECT_EQ(router.status().epoch, 2u);
}

TEST_F(RouterOnRedis, LosingOnlyTheDataConnectionIsNoticed) {
  redis->seed("a", "10.0.0.1");
  Router router(settings);
  ASSERT_TRUE(router.start());
  redis->command({"CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"});
  redis->seed("a", "10.0.0.3");
  EXPECT_TRUE(gets(router, "a", "10.0.0.3"));
  EXPECT_TRUE(eventually([&] { return router.status().epoch == 2; }));
}

TEST_F(RouterOnRedis, TwoServersBehindOneNameAreNoticed) {
  RedisServer other;
  Relay relay({redis->socket(), other.socket()});
  settings.redis.url = relay.url();
  settings.start_wait = 1s;
  Router router(settings);
  ASSERT_TRUE(router.start());
  EXPECT_NE(router.status().last_error.find("several servers"), std::string::npos)
      << router.status().last_error;
  EXPECT_NE(router.status().state, SourceState::live);
}

// The read's answer is held back while the route changes and the push of it arrives: the old address must
// never be seen, not even for a moment.
TEST_F(RouterOnRedis, AnInvalidationDuringAReadWins) {
  Relay relay({redis->socket()});
  settings.redis.url = relay.url();
  settings.redis.silence = 30s;
  settings.miss_deadline = 20s;
  redis->seed("first", "10.0.0.1");
  Router router(settings);
  std::mutex mutex;
  std::vector<std::string> seen;
  router.subscribe([&](std::span<const RouteChange> changes) {
    const std::lock_guard lock(mutex);
    for (const RouteChange& change : changes) {
      if (change.id == id("a")) seen.push_back(change.after ? change.after->address.to_string() : "-");
    }
  });
  ASSERT_TRUE(router.start());
  const auto& overtaken = metrics::counter("envgate_redis_reads_overtaken_total", "");
  const std::uint64_t before = overtaken.value();
  relay.hold_reads(true);
  const long reads = redis->calls("mget");
  redis->seed("a", "10.0.0.1");  // pushed, and read
  ASSERT_TRUE(eventually([&] { return redis->calls("mget") == reads + 1; }));
  redis->seed("a", "10.0.0.2");  // pushed, while the answer is held
  std::atomic<bool> answered{false};
  ASSERT_TRUE(router.resolve(id("a"), [&](Resolution resolution) {
    answered = true;
    EXPECT_EQ(resolution.route->address.to_string(), "10.0.0.2");
  }));
  std::this_thread::sleep_for(200ms);  // time for a wrong answer
  EXPECT_FALSE(answered);
  relay.hold_reads(false);
  EXPECT_TRUE(gets(router, "a", "10.0.0.2"));
  EXPECT_TRUE(eventually([&] { return answered.load(); }));
  EXPECT_GT(overtaken.value(), before);
  const std::lock_guard lock(mutex);
  EXPECT_EQ(seen, std::vector<std::string>{"10.0.0.2"});
}

TEST_F(RouterOnRedis, AMissIsAskedOnceHoweverManyAsk) {
  Relay relay({redis->socket()});
  settings.redis.url = relay.url();
  redis->seed("first", "10.0.0.1");
  Router router(settings);
  ASSERT_TRUE(router.start());
  const long reads = redis->calls("mget");
  relay.hold_reads(true);
  std::atomic<int> absent{0};
  for (int i = 0; i < 1000; ++i) {
    ASSERT_TRUE(router.resolve(id("nobody"), [&](Resolution resolution) {
      absent += resolution.outcome == Resolution::Outcome::absent;
    }));
  }
  ASSERT_TRUE(eventually([&] { return redis->calls("mget") == reads + 1; }));
  EXPECT_EQ(absent, 0);
  relay.hold_reads(false);
  EXPECT_TRUE(eventually([&] { return absent == 1000; }));
  EXPECT_EQ(redis->calls("mget"), reads + 1);
  EXPECT_TRUE(router.known_absent(id("nobody")));
  redis->seed("nobody", "10.0.0.3");  // "not there" is forgotten at once when it is there
  EXPECT_TRUE(gets(router, "nobody", "10.0.0.3"));
  EXPECT_FALSE(router.known_absent(id("nobody")));
}

TEST_F(RouterOnRedis, AStormOfMadeUpNamesCostsRedisLittle) {
  settings.miss_rate = 200;
  Router router(settings);
  ASSERT_TRUE(router.start());
  const long reads = redis->calls("mget");
  std::atomic<int> answers{0}, unavailable{0};
  for (int i = 0; i < 20000; ++i) {
    ASSERT_TRUE(router.resolve(id("x" + std::to_string(i)), [&](Resolution resolution) {
      ++answers;
      unavailable += resolution.outcome == Resolution::Outcome::unavailable;
    }));
  }
  ASSERT_TRUE(eventually([&] { return answers == 20000; }));
  EXPECT_EQ(unavailable, 0);  // the table is complete, so "absent" is true
  EXPECT_LT(redis->calls("mget") - reads, 500);
}

TEST_F(RouterOnRedis, AMissWithRedisAwayIsUnavailableWithinItsDeadline) {
  settings.miss_deadline = 200ms;
  redis->seed("a", "10.0.0.1");
  Router router(settings);
  ASSERT_TRUE(router.start());
  redis->kill();
  ASSERT_TRUE(turns(router, SourceState::stale));
  std::atomic<int> unavailable{0};
  const auto asked = Clock::now();
  ASSERT_TRUE(router.resolve(id("nobody"), [&](Resolution resolution) {
    unavailable += resolution.outcome == Resolution::Outcome::unavailable;
  }));
  ASSERT_TRUE(eventually([&] { return unavailable == 1; }));
  EXPECT_GE(Clock::now() - asked, 190ms);
  EXPECT_LT(Clock::now() - asked, 1s);
  EXPECT_FALSE(router.known_absent(id("nobody")));
}

TEST_F(RouterOnRedis, AWaitingMissIsAskedWhenRedisComesBack) {
  settings.miss_deadline = 15s;
  Router router(settings);
  ASSERT_TRUE(router.start());
  redis->kill();
  ASSERT_TRUE(eventually([&] { return !router.status().connected; }));
  std::atomic<int> answered{0};
  ASSERT_TRUE(router.resolve(id("a"), [&](Resolution resolution) {
    answered += resolution.outcome != Resolution::Outcome::unavailable;
  }));
  redis->start();
  EXPECT_TRUE(eventually([&] { return answered == 1; }));
}

TEST_F(RouterOnRedis, StopAnswersWhoeverStillWaits) {
  settings.miss_deadline = 60s;
  Router router(settings);
  ASSERT_TRUE(router.start());
  redis->kill();
  ASSERT_TRUE(eventually([&] { return !router.status().connected; }));
  std::atomic<int> taken{0}, unavailable{0};
  std::atomic<bool> done{false};
  std::thread asking([&] {
    for (int i = 0; !done; ++i) {
      taken += router.resolve(id("x" + std::to_string(i % 100)), [&](Resolution resolution) {
        unavailable += resolution.outcome == Resolution::Outcome::unavailable;
      });
    }
  });
  ASSERT_TRUE(eventually([&] { return taken > 1000; }));
  router.stop();
  done = true;
  asking.join();
  EXPECT_EQ(unavailable, taken);  // each that was taken is answered
}

TEST_F(RouterOnRedis, RoutesExpireAfterMaxStaleAndComeBack) {
  settings.max_stale = 1s;
  redis->seed("a", "10.0.0.1", "50001");
  Router router(settings);
  ASSERT_TRUE(router.start());
  redis->kill();
  ASSERT_TRUE(turns(router, SourceState::stale));
  EXPECT_EQ(address_of(router, "a"), "10.0.0.1");
  ASSERT_TRUE(turns(router, SourceState::down));
  EXPECT_EQ(address_of(router, "a"), "");
  {
    const auto reader = router.make_reader();
    reader->online();
    EXPECT_FALSE(reader->find_port(50001));
  }
  redis->start();
  redis->seed("a", "10.0.0.1", "50001");
  EXPECT_TRUE(gets(router, "a", "10.0.0.1"));
  EXPECT_EQ(router.status().state, SourceState::live);
}

TEST_F(RouterOnRedis, StartsFromTheSnapshotWithRedisAway) {
  const TempDir dir;
  settings.snapshot = dir / "routes.snapshot";
  redis->seed("a", "10.0.0.1", "50001");
  redis->seed("b", "10.0.0.2");
  {
    Router router(settings);
    ASSERT_TRUE(router.start());
    redis->seed("c", "10.0.0.3");
    ASSERT_TRUE(gets(router, "c", "10.0.0.3"));
  }
  redis->kill();
  Router router(settings);
  const auto began = Clock::now();
  ASSERT_TRUE(router.start());
  EXPECT_LT(Clock::now() - began, 2s);
  EXPECT_EQ(router.status().state, SourceState::stale);
  EXPECT_EQ(router.status().routes, 3u);
  EXPECT_EQ(router.get(id("a"))->ssh.listen_port, 50001);
  redis->start();
  for (const char* env : {"a", "b"}) redis->seed(env, "10.0.0.1");
  EXPECT_TRUE(turns(router, SourceState::live));
  EXPECT_EQ(router.status().routes, 2u);
}

TEST_F(RouterOnRedis, WhatIsDeletedWhileTheGatewayIsDownGoesAtOnce) {
  const TempDir dir;
  settings.snapshot = dir / "routes.snapshot";
  settings.redis.empty_grace = 1min;  // the same server as before: no grace is due
  redis->seed("a", "10.0.0.1");
  redis->seed("b", "10.0.0.2");
  {
    Router router(settings);
    ASSERT_TRUE(router.start());
  }
  redis->command({"DEL", "env:a:ip", "env:b:ip"});
  Router router(settings);
  ASSERT_TRUE(router.start());
  EXPECT_TRUE(turns(router, SourceState::live));
  EXPECT_EQ(router.status().routes, 0u);
}

TEST_F(RouterOnRedis, BadRoutesHarmNoOther) {
  redis->seed("good", "10.0.0.1", "50001");
  redis->seed("loop", "127.0.0.1");
  redis->seed("meta", "169.254.169.254");
  redis->seed("named", "node7.internal");
  redis->seed("badport", "10.0.0.2", "99999");
  redis->command({"SET", "env:badjson:route", "{"});
  redis->command({"LPUSH", "env:list:ip", "10.0.0.3"});
  Router router(settings);
  ASSERT_TRUE(router.start());
  EXPECT_EQ(address_of(router, "good"), "10.0.0.1");
  EXPECT_EQ(router.status().routes, 1u);
  EXPECT_EQ(router.status().refused, (std::map<std::string, std::size_t>{{"address", 2}, {"invalid", 3}}));
  redis->seed("late", "10.0.0.4", "50001");
  ASSERT_TRUE(gets(router, "late", "10.0.0.4"));
  EXPECT_EQ(router.get(id("good"))->ssh.listen_port, 50001);
  EXPECT_EQ(router.get(id("late"))->ssh.listen_port, 0);
  redis->command({"DEL", "env:good:ip"});
  EXPECT_TRUE(eventually([&] { return router.get(id("late"))->ssh.listen_port == 50001; }));
  redis->seed("loop", "10.0.0.5");
  EXPECT_TRUE(gets(router, "loop", "10.0.0.5"));
}

TEST_F(RouterOnRedis, WarnsOfEvictionOrRefusesIt) {
  redis->command({"CONFIG", "SET", "maxmemory-policy", "allkeys-lru"});
  redis->seed("a", "10.0.0.1");
  const auto& risk = metrics::gauge("envgate_redis_may_evict_routes", "");
  {
    Router router(settings);
    ASSERT_TRUE(router.start());
    EXPECT_EQ(address_of(router, "a"), "10.0.0.1");
    EXPECT_EQ(risk.value(), 1);
  }
  settings.redis.require_noeviction = true;
  {
    Router router(settings);
    const auto started = router.start();
    ASSERT_FALSE(started);
    EXPECT_NE(started.error().message.find("CONFIG SET maxmemory-policy noeviction"), std::string::npos);
  }
  redis->command({"CONFIG", "SET", "maxmemory-policy", "noeviction"});
  Router router(settings);
  EXPECT_TRUE(router.start());
  EXPECT_EQ(risk.value(), 0);
}

TEST_F(RouterOnRedis, LogsInOverTcpWithFewRights) {
  const std::uint16_t port = testing::free_port();
  RedisServer tcp({"--port", std::to_string(port), "--bind", "127.0.0.1"});
  tcp.command({"ACL", "SETUSER", "gate", "on", ">p@ss", "resetchannels", "&__redis__:invalidate", "~env:*",
               "-@all", "+select", "+scan", "+mget", "+ping", "+subscribe", "+client|id",
               "+client|tracking"});
  tcp.command({"EVAL", "redis.call('SELECT', 3) redis.call('SET', 'env:a:ip', '10.0.0.1')", "0"});
  settings.redis.url = "redis://gate:p%40ss@localhost:" + std::to_string(port) + "/3";  // a name: resolved
  Router router(settings);
  ASSERT_TRUE(router.start());
  EXPECT_EQ(address_of(router, "a"), "10.0.0.1");
  tcp.command({"EVAL", "redis.call('SELECT', 3) redis.call('SET', 'env:a:ip', '10.0.0.2')", "0"});
  EXPECT_TRUE(gets(router, "a", "10.0.0.2"));
  std::this_thread::sleep_for(700ms);  // over a canary, which must do without CLIENT LIST here
  EXPECT_EQ(router.status().epoch, 1u);
  settings.redis.url = "redis://gate:WRONG@127.0.0.1:" + std::to_string(port) + "/3";
  settings.start_wait = 500ms;
  Router refused(settings);
  ASSERT_TRUE(refused.start());
  EXPECT_NE(refused.status().last_error.find("AUTH: WRONGPASS"), std::string::npos)
      << refused.status().last_error;
  EXPECT_EQ(refused.status().last_error.find("WRONG@"), std::string::npos);
}

TEST_F(RouterOnRedis, SaysWhyItCannotConnect) {
  settings.start_wait = 300ms;
  settings.redis.url = "unix:///nonexistent/redis.sock";
  {
    Router router(settings);
    ASSERT_TRUE(router.start());  // Redis may come later
    EXPECT_EQ(router.status().state, SourceState::loading);
    EXPECT_EQ(router.status().last_error,
              "unix:///nonexistent/redis.sock: connect: No such file or directory");
  }
  settings.redis.url = "redis://u:SECRET@";
  Router router(settings);
  const auto started = router.start();
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().message, "routes.redis.url: there is no host");
}

}  // namespace
}  // namespace envgate::routing
