// What is there becomes what is wanted, whatever happens meanwhile: against a backend in memory.
#include "tests/unit/control/plane.hpp"

namespace envgate::control {
namespace {

using store::State;

class ReconcilerTest : public test::Plane {
 protected:
  Asked asked_{"test", "", "", ""};
  bool settles(const std::string& operation_id, store::OperationState state = store::OperationState::done) {
    return eventually([&] { return operation(operation_id).state == state; });
  }
};

TEST_P(ReconcilerTest, ALifeFromCreationToTombstone) {
  start_reconciler();
  const auto made = create(body());
  ASSERT_TRUE(made);
  const std::string id = made->environment.id;
  ASSERT_TRUE(settles(made->operation.id));
  EXPECT_EQ(row(id).state, State::running);
  EXPECT_NE(row(id).route.find("\"running\""), std::string::npos);
  EXPECT_EQ(backend->password_of(id), lifecycle->access(id, asked_)->password.reveal());
  const std::string address = row(id).address;

  ASSERT_TRUE(settles(lifecycle->stop(id, asked_)->operation.id));
  EXPECT_EQ(row(id).state, State::stopped);
  EXPECT_FALSE(row(id).holds_compute);
  EXPECT_NE(row(id).route.find("\"stopped\""), std::string::npos);
  EXPECT_EQ(row(id).route.find(address), std::string::npos) << "its address may be another's by now";

  ASSERT_TRUE(settles(lifecycle->start(id, asked_)->operation.id));
  EXPECT_NE(row(id).address, address);
  EXPECT_NE(row(id).route.find(row(id).address), std::string::npos);

  const std::string instance = row(id).instance;
  ASSERT_TRUE(settles(lifecycle->rebuild(id, "other", asked_)->operation.id));
  EXPECT_NE(row(id).instance, instance);
  EXPECT_EQ(backend->password_of(id), lifecycle->access(id, asked_)->password.reveal())
      << "the new one has its login";

  ASSERT_TRUE(settles(lifecycle->remove(id, std::nullopt, asked_)->operation.id));
  EXPECT_EQ(row(id).state, State::deleted);
  EXPECT_TRUE(backend->things().empty());
  EXPECT_EQ(
      database
          ->read([&](store::Transaction& t) -> Result<std::size_t> { return store::leases_of(t, id).size(); })
          .value(),
      0u);
}

TEST_P(ReconcilerTest, WhatSomebodyChangedByHandIsMended) {
  start_reconciler();
  const std::string id = created(body());
  ASSERT_TRUE(becomes(id, State::running));
  const std::string instance = row(id).instance;
  backend->remove_by_hand(id);
  ASSERT_TRUE(eventually([&] { return backend->things().count(id) && row(id).instance != instance; }));
  EXPECT_EQ(backend->password_of(id), lifecycle->access(id, asked_)->password.reveal());
  backend->change_by_hand(id, [](backends::Observed& seen) { seen.state = backends::State::stopped; });
  ASSERT_TRUE(eventually([&] { return backend->things()[id].state == backends::State::running; }));
  backend->change_by_hand(
      id, [](backends::Observed& seen) { seen.address = IpAddress::parse("127.9.9.9").value(); });
  ASSERT_TRUE(eventually([&] { return row(id).route.find("127.9.9.9") != std::string::npos; }));
}

TEST_P(ReconcilerTest, ACustomersOwnPasswordIsLetBe) {
  start_reconciler();
  const std::string id = created(body());
  ASSERT_TRUE(becomes(id, State::running));
  ASSERT_TRUE(eventually([&] { return row(id).login_set == 1; }));
  const int ensures = backend->ensures;
  ASSERT_TRUE(settles(lifecycle->restart(id, asked_)->operation.id));
  EXPECT_GT(backend->ensures, ensures);
  EXPECT_EQ(backend->stops, 1);
  const std::string before = backend->password_of(id);
  ASSERT_TRUE(settles(lifecycle->rotate(id, asked_)->operation.id));
  EXPECT_NE(backend->password_of(id), before);
}

TEST_P(ReconcilerTest, WhatCannotBeIsToldAndStillTried) {
  start_reconciler();
  backend->fail_with(backends::Failure{backends::Cause::missing, "no such image"});
  const auto made = create(body());
  ASSERT_TRUE(settles(made->operation.id, store::OperationState::failed));
  EXPECT_NE(operation(made->operation.id).error.find("no such image"), std::string::npos);
  EXPECT_EQ(row(made->environment.id).state, State::failed);
  EXPECT_NE(row(made->environment.id).conditions.find("no such image"), std::string::npos);
  backend->fail_with(std::nullopt);
  EXPECT_TRUE(becomes(made->environment.id, State::running));
}

TEST_P(ReconcilerTest, AnEngineThatIsAwayTakesNothingAway) {
  start_reconciler();
  const std::string id = created(body());
  ASSERT_TRUE(becomes(id, State::running));
  const std::string route = row(id).route;
  backend->fail_with(backends::Failure{backends::Cause::unreachable, "connection refused"});
  ASSERT_TRUE(eventually([&] { return !reconciler->health()["docker/local"].answers; }));
  const auto stop = lifecycle->restart(id, asked_);
  ASSERT_TRUE(
      eventually([&] { return operation(stop->operation.id).error.find("refused") != std::string::npos; }));
  EXPECT_EQ(operation(stop->operation.id).state, store::OperationState::running)
      << "not yet failed: it may come back";
  backend->fail_with(std::nullopt);
  EXPECT_TRUE(settles(stop->operation.id));
  EXPECT_TRUE(becomes(id, State::running));
}

TEST_P(ReconcilerTest, OrphansGoAndWhatHasARowStays) {
  const std::string id = created(body());
  backend->add_by_hand("orphan1");
  backend->add_by_hand(id);
  start_reconciler();
  ASSERT_TRUE(eventually([&] { return !backend->things().count("orphan1"); }));
  EXPECT_TRUE(becomes(id, State::running));
}

TEST_P(ReconcilerTest, ASupersededOperationSaysSo) {
  const auto made = create(body());
  const auto gone = lifecycle->remove(made->environment.id, std::nullopt, asked_);
  EXPECT_EQ(operation(made->operation.id).state, store::OperationState::failed);
  EXPECT_NE(operation(made->operation.id).error.find("superseded"), std::string::npos);
  start_reconciler();
  EXPECT_TRUE(settles(gone->operation.id));
}

TEST_P(ReconcilerTest, TwoControllersShareTheWorkAndNeverOneEnvironment) {
  backend->slow = std::chrono::milliseconds(2);
  start_reconciler();
  Reconciler other(*database, *box, settings, engines, [] {});
  ASSERT_TRUE(other.start());
  std::vector<std::string> ids;
  for (int i = 0; i < 20; ++i) ids.push_back(created(body()));
  for (const std::string& id : ids) EXPECT_TRUE(becomes(id, State::running));
  for (const auto& [id, seen] : backend->things()) EXPECT_EQ(row(id).instance, seen.instance);
}

TEST_P(ReconcilerTest, ARestartWorksOnWhatDiffersAlone) {
  start_reconciler();
  std::vector<std::string> ids;
  for (int i = 0; i < 6; ++i) ids.push_back(created(body()));
  for (const std::string& id : ids) ASSERT_TRUE(becomes(id, State::running));
  ASSERT_TRUE(settles(lifecycle->stop(ids[0], asked_)->operation.id));
  reconciler.reset();
  backend->remove_by_hand(ids[1]);          // while nobody looks
  lifecycle->rotate(ids[2], asked_);        // accepted, and not done
  const std::string odd = created(body());  // likewise
  const int ensures = backend->ensures, stops = backend->stops;
  const std::string instance = row(ids[1]).instance;
  start_reconciler();
  EXPECT_TRUE(becomes(odd, State::running));
  EXPECT_TRUE(eventually([&] { return row(ids[1]).instance != instance; }));
  EXPECT_TRUE(eventually([&] { return row(ids[2]).login_set == 2; }));
  const int lists = backend->lists;
  ASSERT_TRUE(eventually([&] { return backend->lists > lists + 1; })) << "it has looked at all the others";
  EXPECT_EQ(backend->ensures, ensures + 3);
  EXPECT_EQ(backend->stops, stops);
}

TEST_P(ReconcilerTest, AnEngineGetsNoMoreCallsAtOnceThanItMay) {
  backend->slow = std::chrono::milliseconds(5);
  engines.add({"docker/local", backend, 2, std::chrono::seconds(10), std::chrono::seconds(1)});
  start_reconciler();
  std::vector<std::string> ids;
  for (int i = 0; i < 20; ++i) ids.push_back(created(body()));
  for (const std::string& id : ids) EXPECT_TRUE(becomes(id, State::running));
  EXPECT_LE(backend->most_at_once, 2);
}

INSTANTIATE_TEST_SUITE_P(Databases, ReconcilerTest, testing::Values("sqlite", "postgres"),
                         [](const auto& of) { return std::string(of.param); });

}  // namespace
}  // namespace envgate::control
