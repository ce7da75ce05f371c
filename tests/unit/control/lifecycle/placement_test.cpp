// Which node a new environment is put on, on SQLite and on PostgreSQL.
#include "control/lifecycle/placement.hpp"

#include "control/store/nodes.hpp"
#include "tests/unit/control/plane.hpp"

namespace envgate::control {
namespace {

constexpr long long kGiB = 1LL << 30;

class PlacementTest : public test::Plane {
 protected:
  std::shared_ptr<test::FakeBackend> add(const std::string& name, long long cpus, long long memory,
                                         long long gpus = 0) {
    auto made = std::make_shared<test::FakeBackend>();
    Engine engine{"docker/" + name, made, 4, std::chrono::seconds(10), std::chrono::seconds(1)};
    engine.gpus = gpus;
    engine.state->cpu_millis = cpus * 1000;
    engine.state->memory_bytes = memory;
    engines.add(std::move(engine));
    if (name == "local") return made;
    store::Node node;
    node.name = node.engine_id = name;
    EXPECT_TRUE(database->transaction(
        [&](store::Transaction& t) -> Result<void> { return store::insert_node(t, node); }));
    return made;
  }
  void open(const std::string& name, bool is_open) {
    EXPECT_TRUE(database->transaction([&](store::Transaction& t) -> Result<void> {
      store::open_node(t, name, is_open);
      return {};
    }));
  }
  static test::json wanted(const char* memory, int gpus = 0) {
    test::json made = body();
    made["spec"]["memory"] = memory;
    made["spec"]["gpu"]["count"] = gpus;
    return made;
  }
  std::string placed(const test::json& asked) {
    const auto done = create(asked);
    return done ? done->environment.node : done.error().code;
  }
};

TEST_P(PlacementTest, TheLeastUsedThatHasRoom) {
  add("local", 64, 16 * kGiB);
  add("big", 64, 64 * kGiB);
  EXPECT_EQ(placed(wanted("4GiB")), "big") << "1/16 is less than 1/4";
  EXPECT_EQ(placed(wanted("4GiB")), "big");
  EXPECT_EQ(placed(wanted("2GiB")), "local") << "10/64 is more than 2/16";
  EXPECT_EQ(placed(wanted("32GiB")), "big") << "it does not fit on the other";
  EXPECT_EQ(placed(wanted("30GiB")), "big") << "nowhere: where it is least tight";
}

TEST_P(PlacementTest, WhatIsStoppedLeavesRoomAndWhatIsDeletedCountsNotAtAll) {
  add("local", 64, 16 * kGiB);
  add("other", 64, 15 * kGiB);
  const auto first = create(wanted("8GiB"));
  ASSERT_TRUE(first);
  EXPECT_EQ(first->environment.node, "local");
  start_reconciler();
  ASSERT_TRUE(becomes(first->environment.id, store::State::running));
  ASSERT_TRUE(lifecycle->stop(first->environment.id, {"test", "", "", ""}));
  ASSERT_TRUE(becomes(first->environment.id, store::State::stopped));
  EXPECT_EQ(placed(wanted("8GiB")), "local");
  EXPECT_EQ(placed(wanted("8GiB")), "other");
}

TEST_P(PlacementTest, GpusAndNodesThatAreClosedOrSilent) {
  add("local", 64, 64 * kGiB, 1);
  add("gpus", 64, 16 * kGiB, 8);
  EXPECT_EQ(placed(wanted("8GiB", 2)), "gpus");
  open("gpus", false);
  EXPECT_EQ(placed(wanted("8GiB", 2)), "local") << "one that is closed gets nothing, whatever it has";
  test::json named = wanted("1GiB");
  named["spec"]["node"] = "gpus";
  EXPECT_EQ(placed(named), "no_node");
  open("gpus", true);
  EXPECT_EQ(placed(named), "gpus");
  engines.find("docker/gpus")->state->answers = false;
  EXPECT_EQ(placed(wanted("8GiB", 2)), "local");
  EXPECT_EQ(placed(named), "gpus") << "asked for by name: it waits until the node answers";
}

TEST_P(PlacementTest, ANodeThatIsNotThereIsNamed) {
  test::json named = wanted("1GiB");
  named["spec"]["node"] = "nowhere";
  const auto refused = create(named);
  ASSERT_FALSE(refused);
  ASSERT_EQ(refused.error().errors.size(), 1u);
  EXPECT_EQ(refused.error().errors[0].pointer, "/spec/node");
  EXPECT_NE(refused.error().errors[0].message.find("no node nowhere"), std::string::npos);
}

TEST_P(PlacementTest, OneEngineIsOneNode) {
  store::Node one;
  one.name = "one", one.engine_id = "E";
  const auto insert = [&](const store::Node& node) {
    return database->transaction(
        [&](store::Transaction& t) -> Result<void> { return store::insert_node(t, node); });
  };
  ASSERT_TRUE(insert(one));
  EXPECT_EQ(insert(one).error().message, "there is a node one already");
  store::Node twin = one;
  twin.name = "two", twin.host = "h:1";
  EXPECT_EQ(insert(twin).error().message, "the engine at h:1 is node one already");
}

TEST_P(PlacementTest, AnEngineThatIsTwoNodesLosesNothing) {
  add("twin", 64, 64 * kGiB);
  const std::string id = created(wanted("1GiB"));
  engines.add({"docker/twin", backend, 4, std::chrono::seconds(10), std::chrono::seconds(1)});
  engines.add({"docker/local", backend, 4, std::chrono::seconds(10), std::chrono::seconds(1)});
  start_reconciler();
  ASSERT_TRUE(becomes(id, store::State::running));
  const int before = backend->lists;
  ASSERT_TRUE(eventually([&] { return backend->lists > before + 6; }));
  EXPECT_EQ(backend->destroys, 0) << "each took what the other made for an orphan";
}

INSTANTIATE_TEST_SUITE_P(Both, PlacementTest, testing::Values("sqlite", "postgres"),
                         [](const auto& one) { return std::string(one.param); });

}  // namespace
}  // namespace envgate::control
