// What may be asked of an environment, on SQLite and on PostgreSQL.
#include "tests/unit/control/plane.hpp"

namespace envgate::control {
namespace {

using store::Desired;
using store::State;

class LifecycleTest : public test::Plane {
 protected:
  static Asked asked(std::string key = "", std::string hash = "") {
    return {"test", "", std::move(key), std::move(hash)};
  }
};

TEST_P(LifecycleTest, FiftyCreatesAtOnceNeverPassTheQuota) {
  allow("ada", 1000, 20);
  std::atomic<int> made = 0, refused = 0;
  std::vector<std::jthread> threads;
  for (int i = 0; i < 50; ++i)
    threads.emplace_back([&] {
      const auto done = create(body());
      if (done)
        ++made;
      else if (done.error().code == "quota_exceeded")
        ++refused;
    });
  threads.clear();
  EXPECT_EQ(made, 20);
  EXPECT_EQ(refused, 30);
}

TEST_P(LifecycleTest, TwoRacersForOnePortHaveOneWinner) {
  settings.control.ports.ssh = {50000, 50000};
  std::atomic<int> won = 0, exhausted = 0;
  std::vector<std::jthread> threads;
  for (int i = 0; i < 2; ++i)
    threads.emplace_back([&] {
      const auto done = create(body());
      if (done)
        ++won;
      else if (done.error().code == "ports_exhausted" && done.error().status == 409)
        ++exhausted;
    });
  threads.clear();
  EXPECT_EQ(won, 1);
  EXPECT_EQ(exhausted, 1);
}

TEST_P(LifecycleTest, EveryWrongFieldIsNamedAtOnce) {
  const auto done = create({{"name", " x"},
                            {"owner", "A"},
                            {"what", 1},
                            {"spec", {{"image", "never"}, {"cpu", -1}, {"memory", "1Q"}}}});
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().status, 422);
  std::set<std::string> pointers;
  for (const WrongField& field : done.error().errors) pointers.insert(field.pointer);
  EXPECT_EQ(pointers,
            (std::set<std::string>{"/name", "/owner", "/what", "/spec/image", "/spec/cpu", "/spec/memory"}));
}

TEST_P(LifecycleTest, ARehearsalLeavesNothing) {
  const auto done = lifecycle->create(body(), asked(), true);
  ASSERT_TRUE(done) << done.error().detail;
  EXPECT_EQ(row(done->environment.id).id, "");
  allow("ada", 0);
  EXPECT_EQ(lifecycle->create(body(), asked(), true).error().code, "quota_exceeded");
}

TEST_P(LifecycleTest, ARepeatedRequestIsAnsweredAsTheFirst) {
  const auto first = lifecycle->create(body(), asked("k1", "h"), false);
  const auto again = lifecycle->create(body(), asked("k1", "h"), false);
  ASSERT_TRUE(first && again);
  EXPECT_EQ(first->environment.id, again->environment.id);
  EXPECT_EQ(first->operation.id, again->operation.id);
  const auto other = lifecycle->create(body(), asked("k1", "another"), false);
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().status, 422);
}

TEST_P(LifecycleTest, OnlyTheVersionThatWasReadIsChanged) {
  const std::string id = created(body());
  Asked stale = asked();
  stale.if_match = "\"7\"";
  EXPECT_EQ(lifecycle->stop(id, stale).error().code, "precondition_failed");
  stale.if_match = "\"1\"";
  EXPECT_TRUE(lifecycle->stop(id, stale));
}

TEST_P(LifecycleTest, APatchMakesItAnewOnlyForWhatNeedsIt) {
  const std::string id = created(body());
  ASSERT_TRUE(lifecycle->patch(id, {{"name", "other"}, {"spec", {{"ports", {{{"port", 8888}}}}}}}, asked()));
  EXPECT_EQ(row(id).name, "other");
  EXPECT_EQ(row(id).generation, 1) << "a port is the route's matter";
  EXPECT_NE(row(id).route.find("8888"), std::string::npos);
  ASSERT_TRUE(lifecycle->patch(id, {{"spec", {{"memory", "2GiB"}}}}, asked()));
  EXPECT_EQ(row(id).generation, 2);
  EXPECT_EQ(row(id).resources.memory_bytes, 2LL << 30);
  EXPECT_NE(row(id).route.find("8888"), std::string::npos) << "what was not named stays";
  const auto wrong = lifecycle->patch(id, {{"spec", {{"cpu", "x"}, {"nope", 1}}}}, asked());
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().errors.size(), 2u);
  EXPECT_EQ(row(id).generation, 2);
}

TEST_P(LifecycleTest, APasswordIsShownByAnAuditedCallAloneAndRotates) {
  const std::string id = created(body());
  const auto first = lifecycle->access(id, asked());
  ASSERT_TRUE(first);
  EXPECT_TRUE(secrets::PasswordPolicy().check(first->password.reveal()));
  ASSERT_TRUE(lifecycle->rotate(id, asked()));
  EXPECT_NE(lifecycle->access(id, asked())->password.reveal(), first->password.reveal());
  EXPECT_EQ(lifecycle->access("nobody", asked()).error().status, 404);
  const auto lines = database->read([](store::Transaction& t) -> Result<std::vector<store::AuditEntry>> {
    return store::list_audit(t, {"", "access", ""}, 0, false, 10);
  });
  ASSERT_EQ(lines->size(), 3u);
  EXPECT_EQ(lines->at(2).line.result, "not found");
  const store::Environment e = row(id);
  for (const std::string& text : {e.spec, e.route, e.policy, e.conditions})
    EXPECT_EQ(text.find(first->password.reveal()), std::string::npos);
}

TEST_P(LifecycleTest, WhatIsDeletedIsNotChangedAgainAndItsRouteGoesAtOnce) {
  const std::string id = created(body());
  const auto gone = lifecycle->remove(id, std::nullopt, asked());
  ASSERT_TRUE(gone);
  EXPECT_EQ(row(id).route, "");
  EXPECT_EQ(lifecycle->start(id, asked()).error().code, "conflict");
  const auto again = lifecycle->remove(id, std::nullopt, asked());
  ASSERT_TRUE(again);
  EXPECT_EQ(again->operation.id, gone->operation.id);
}

INSTANTIATE_TEST_SUITE_P(Databases, LifecycleTest, testing::Values("sqlite", "postgres"),
                         [](const auto& of) { return std::string(of.param); });

}  // namespace
}  // namespace envgate::control
