#include "gateway/guard.hpp"

#include <gtest/gtest.h>

namespace envgate::gateway {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

IpAddress ip(const char* text) { return *IpAddress::parse(text); }
routing::EnvId env(const char* text) { return *routing::EnvId::parse(text); }
const Guard::Clock::time_point kNow{seconds(1000)};

TEST(Guard, CountsConnectionsPerSourceAndGivesThemBack) {
  Guard guard({.connections_per_source = 2});
  Permit a, b, c;
  EXPECT_EQ(guard.admit(ip("10.0.0.1"), kNow, a), Refusal::none);
  EXPECT_EQ(guard.admit(ip("10.0.0.1"), kNow, b), Refusal::none);
  EXPECT_EQ(guard.admit(ip("10.0.0.1"), kNow, c), Refusal::source_connections);
  EXPECT_EQ(guard.admit(ip("10.0.0.2"), kNow, c), Refusal::none);
  EXPECT_EQ(guard.connections(), 3u);
  { const Permit gone = std::move(a); }
  EXPECT_EQ(guard.connections(), 2u);
  EXPECT_EQ(guard.admit(ip("10.0.0.1"), kNow, a), Refusal::none);
}

TEST(Guard, TotalLimit) {
  Guard guard({.connections = 1});
  Permit a, b;
  EXPECT_EQ(guard.admit(ip("10.0.0.1"), kNow, a), Refusal::none);
  EXPECT_EQ(guard.admit(ip("10.0.0.2"), kNow, b), Refusal::too_many_connections);
  { const Permit gone = std::move(a); }
  EXPECT_EQ(guard.admit(ip("10.0.0.2"), kNow, b), Refusal::none);
}

TEST(Guard, AnIpv6SourceIsItsSlash64) {
  Guard guard({.connections_per_source = 1});
  Permit a, b, c;
  EXPECT_EQ(guard.admit(ip("2001:db8::1"), kNow, a), Refusal::none);
  EXPECT_EQ(guard.admit(ip("2001:db8::2"), kNow, b), Refusal::source_connections);
  EXPECT_EQ(guard.admit(ip("2001:db8:0:1::1"), kNow, c), Refusal::none);
}

TEST(Guard, ConnectionRateRefillsWithTime) {
  Guard guard({.connection_rate_per_source = 5});
  Permit permits[20];
  int admitted = 0;
  for (int i = 0; i < 10; ++i) admitted += guard.admit(ip("10.0.0.1"), kNow, permits[i]) == Refusal::none;
  EXPECT_EQ(admitted, 5);
  EXPECT_EQ(guard.admit(ip("10.0.0.1"), kNow + milliseconds(100), permits[10]),
            Refusal::source_connection_rate);
  EXPECT_EQ(guard.admit(ip("10.0.0.1"), kNow + milliseconds(250), permits[10]), Refusal::none);
}

TEST(Guard, RequestsPerEnvironmentWithTheRoutesOwnRate) {
  Guard guard({.requests_per_environment = 100});
  int passed = 0;
  for (int i = 0; i < 10; ++i) passed += guard.request(env("abc"), 3, kNow) == Refusal::none;
  EXPECT_EQ(passed, 3);
  EXPECT_EQ(guard.request(env("abc"), 3, kNow), Refusal::environment_requests);
  EXPECT_EQ(guard.request(env("other"), 0, kNow), Refusal::none);
}

TEST(Guard, EnvironmentConnections) {
  Guard guard({.connections_per_environment = 1});
  Permit a, b;
  EXPECT_EQ(guard.admit(env("abc"), 0, kNow, a), Refusal::none);
  EXPECT_EQ(guard.admit(env("abc"), 0, kNow, b), Refusal::environment_connections);
  EXPECT_EQ(guard.admit(env("abc"), 5, kNow, b), Refusal::none) << "the route's own limit is higher";
}

TEST(Guard, MemoryIsBoundedUnderAnAddressStorm) {
  Guard guard({.connections_per_source = 10, .connection_rate_per_source = 10});
  auto now = kNow;
  for (std::uint32_t i = 0; i < 300'000; ++i) {
    Permit permit;
    EXPECT_EQ(guard.admit(IpAddress::v4(i * 2654435761u), now, permit), Refusal::none);
    if (i % 100 == 0) now += milliseconds(10);  // 10,000 addresses a second
  }
  EXPECT_LT(guard.tracked(), 60'000u);
}

}  // namespace
}  // namespace envgate::gateway
