#include <gtest/gtest.h>

#include "gateway/admin/readiness.hpp"

namespace envgate::admin {
namespace {

using routing::SourceState;

routing::RouterStatus status(SourceState state, std::size_t routes,
                             std::chrono::milliseconds age = std::chrono::seconds(3)) {
  routing::RouterStatus out;
  out.source = routing::SourceKind::redis;
  out.state = state;
  out.routes = routes;
  out.age = age;
  return out;
}

const std::chrono::milliseconds kNever = std::chrono::system_clock::now().time_since_epoch() /
                                         std::chrono::milliseconds(1) * std::chrono::milliseconds(1);

TEST(Readiness, LiveRoutesAndListenersAreReady) {
  const Readiness state = readiness(true, false, status(SourceState::live, 0));
  EXPECT_TRUE(state.ready()) << "no route at all is a fine answer of a live source";
  EXPECT_TRUE(state.warnings.empty());
}

TEST(Readiness, NotBeforeTheListenersAreUp) {
  const Readiness state = readiness(false, false, status(SourceState::live, 1));
  ASSERT_EQ(state.reasons.size(), 1u);
  EXPECT_NE(state.reasons[0].find("listener"), std::string::npos);
}

TEST(Readiness, NotWhileDraining) {
  const Readiness state = readiness(true, true, status(SourceState::live, 1));
  ASSERT_EQ(state.reasons.size(), 1u);
  EXPECT_NE(state.reasons[0].find("draining"), std::string::npos);
}

TEST(Readiness, NotBeforeTheFirstLoadUnlessASnapshotServes) {
  auto routes = status(SourceState::loading, 0, kNever);
  routes.last_error = "connection refused";
  const Readiness empty = readiness(true, false, routes);
  ASSERT_EQ(empty.reasons.size(), 1u);
  EXPECT_NE(empty.reasons[0].find("connection refused"), std::string::npos);
  routes.routes = 5;  // of who knows how many
  EXPECT_FALSE(readiness(true, false, routes).ready());
  routes.restored = 3;
  const Readiness snapshot = readiness(true, false, routes);
  EXPECT_TRUE(snapshot.ready());
  EXPECT_EQ(snapshot.warnings.size(), 1u);
}

TEST(Readiness, StaleRoutesServeOnWithAWarning) {
  const Readiness state = readiness(true, false, status(SourceState::stale, 5));
  EXPECT_TRUE(state.ready());
  ASSERT_EQ(state.warnings.size(), 1u);
  EXPECT_NE(state.warnings[0].find("3 s ago"), std::string::npos) << state.warnings[0];
}

TEST(Readiness, NotOnceTheyAreTooOld) {
  const Readiness state = readiness(true, false, status(SourceState::down, 5));
  ASSERT_EQ(state.reasons.size(), 1u);
  EXPECT_NE(state.reasons[0].find("max_stale"), std::string::npos);
}

TEST(Readiness, EverHeard) {
  EXPECT_TRUE(ever_heard(status(SourceState::live, 0)));
  EXPECT_FALSE(ever_heard(status(SourceState::loading, 0, kNever)));
}

}  // namespace
}  // namespace envgate::admin
