#include "routing/table.hpp"

#include <gtest/gtest.h>

#include <thread>

#include "tests/unit/routing/fixtures.hpp"

namespace envgate::routing {
namespace {

using testing::id;
using testing::spec;

RoutePtr route(const std::string& env, const std::string& address, std::uint16_t port = 0) {
  return Route::make(spec(env, address, port));
}

TEST(RouteTable, FindsWhatWasPut) {
  RouteTable table;
  Reader reader(table);
  reader.online();
  EXPECT_EQ(reader.find(id("demo")), nullptr);
  table.put(route("demo", "10.0.0.1", 50000));
  ASSERT_NE(reader.find(id("demo")), nullptr);
  EXPECT_EQ(reader.find(id("demo"))->address.to_string(), "10.0.0.1");
  EXPECT_EQ(reader.find_port(50000).route, reader.find(id("demo")));
  EXPECT_EQ(reader.find_port(50000).tcp, nullptr);
  EXPECT_FALSE(reader.find_port(50001));
  EXPECT_FALSE(reader.find_port(0));
  EXPECT_EQ(table.size(), 1u);
  EXPECT_TRUE(table.remove(id("demo")));
  EXPECT_FALSE(table.remove(id("demo")));
  EXPECT_EQ(reader.find(id("demo")), nullptr);
  EXPECT_FALSE(reader.find_port(50000));
  EXPECT_EQ(table.size(), 0u);
}

TEST(RouteTable, FindsTcpServicesByPort) {
  RouteTable table;
  Reader reader(table);
  reader.online();
  RouteSpec desktop = spec("vm1", "10.0.0.1", 50000);
  desktop.services.tcp = {{50001, 3389, "rdp"}, {50002, 5900, "vnc"}};
  table.put(Route::make(desktop));
  const PortMatch match = reader.find_port(50002);
  ASSERT_TRUE(match);
  ASSERT_NE(match.tcp, nullptr);
  EXPECT_EQ(match.tcp->service, "vnc");
  desktop.services.tcp.pop_back();
  table.put(Route::make(desktop));
  EXPECT_FALSE(reader.find_port(50002));
  EXPECT_EQ(reader.find_port(50001).tcp->service, "rdp");
  EXPECT_EQ(reader.find_port(50001).route->env, id("vm1"));
}

TEST(RouteTable, KeepsAReplacedRouteUntilItsReadersAreQuiescent) {
  RouteTable table;
  Reader reader(table);
  reader.online();
  table.put(route("demo", "10.0.0.1"));
  const Route* old = reader.find(id("demo"));
  table.put(route("demo", "10.0.0.2"));
  EXPECT_EQ(table.reclaim(), 1u);
  EXPECT_EQ(old->address.to_string(), "10.0.0.1");  // under ASan: still there
  const RoutePtr kept(old);
  reader.quiescent();
  EXPECT_EQ(table.reclaim(), 0u);
  EXPECT_EQ(kept->address.to_string(), "10.0.0.1");
  EXPECT_EQ(reader.find(id("demo"))->address.to_string(), "10.0.0.2");
}

TEST(RouteTable, AnOfflineReaderHoldsNothingUp) {
  RouteTable table;
  Reader sleeping(table), busy(table);
  busy.online();
  table.put(route("demo", "10.0.0.1"));
  table.put(route("demo", "10.0.0.2"));
  EXPECT_EQ(table.reclaim(), 1u);
  busy.offline();
  EXPECT_EQ(table.reclaim(), 0u);
}

TEST(RouteTable, GrowsAndForgets) {
  RouteTable table;
  Reader reader(table);
  reader.online();
  constexpr int kCount = 20000;
  for (int round = 0; round < 3; ++round) {  // tombstones are used again
    for (int i = 0; i < kCount; ++i) table.put(route("e" + std::to_string(i), "10.0.0.1"));
    EXPECT_EQ(table.size(), static_cast<std::size_t>(kCount));
    for (int i = 0; i < kCount; ++i) ASSERT_NE(reader.find(id("e" + std::to_string(i))), nullptr) << i;
    EXPECT_EQ(reader.find(id("e20000")), nullptr);
    std::size_t visited = 0;
    reader.for_each([&](const Route&) { ++visited; });
    EXPECT_EQ(visited, static_cast<std::size_t>(kCount));
    for (int i = 0; i < kCount; ++i) ASSERT_TRUE(table.remove(id("e" + std::to_string(i)))) << i;
    for (int i = 0; i < kCount; i += 97) ASSERT_EQ(reader.find(id("e" + std::to_string(i))), nullptr);
    EXPECT_GT(table.reclaim(), 0u);
    reader.quiescent();
    EXPECT_EQ(table.reclaim(), 0u);
  }
}

TEST(RouteTable, FindsNothingWhileNotServing) {
  RouteTable table;
  Reader reader(table);
  reader.online();
  table.put(route("demo", "10.0.0.1", 50000));
  table.set_serving(false);
  EXPECT_EQ(reader.find(id("demo")), nullptr);
  EXPECT_FALSE(reader.find_port(50000));
  table.set_serving(true);
  EXPECT_NE(reader.find(id("demo")), nullptr);
}

// What TSan and ASan are for: readers look up, keep and drop routes while the writer changes, grows and
// removes.
TEST(RouteTable, ReadersAndTheWriterTogether) {
  RouteTable table;
  std::atomic<bool> done{false};
  std::atomic<std::uint64_t> found{0};
  constexpr int kStable = 64, kChanging = 4000;
  for (int i = 0; i < kStable; ++i) table.put(route("s" + std::to_string(i), "10.0.0.1", 40000 + i));
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&, t] {
      Reader reader(table);
      reader.online();
      std::vector<RoutePtr> kept;
      for (std::uint64_t n = 0; !done; ++n) {
        const int s = static_cast<int>(n % kStable);
        const Route* stable = reader.find(id("s" + std::to_string(s)));
        ASSERT_NE(stable, nullptr);  // it is replaced all the time, but never absent
        const PortMatch match = reader.find_port(static_cast<std::uint16_t>(40000 + s));
        ASSERT_TRUE(match);
        ASSERT_EQ(match.route->env, stable->env);
        if (const Route* moving = reader.find(id("m" + std::to_string(n * 7 % kChanging)))) {
          ASSERT_EQ(moving->env.view()[0], 'm');
          if (n % 5 == 0) kept.emplace_back(moving);
          ++found;
        }
        if (kept.size() > 100) kept.clear();
        if (n % 64 == 0) reader.quiescent();
        if (n % 1024 == static_cast<std::uint64_t>(t)) {
          reader.offline();
          reader.online();
        }
      }
    });
  }
  for (int round = 0; round < 6; ++round) {
    for (int i = 0; i < kChanging; ++i) {
      table.put(route("m" + std::to_string(i), "10.0.0.2"));
      const int s = i % kStable;
      table.put(route("s" + std::to_string(s), "10.0.0." + std::to_string(1 + i % 200),
                      static_cast<std::uint16_t>(40000 + s)));
      if (i % 32 == 0) table.reclaim();
    }
    for (int i = 0; i < kChanging; ++i) table.remove(id("m" + std::to_string(i)));
  }
  testing::eventually([&] { return found > 0; });
  done = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(table.size(), static_cast<std::size_t>(kStable));
  EXPECT_EQ(table.reclaim(), 0u);
}

}  // namespace
}  // namespace envgate::routing
