// The store, on SQLite and on a PostgreSQL that the test starts itself.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <atomic>
#include <thread>
#include <vector>

#include "control/secrets/random.hpp"
#include "control/store/audit.hpp"
#include "control/store/environments.hpp"
#include "control/store/session.hpp"
#include "postgres_server.hpp"

namespace envgate::control::store {
namespace {

class StoreTest : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (GetParam() == std::string("sqlite")) {
      url_ = "sqlite:" + folder_.path() + "/control.db";
    } else {
      if (!PostgresServer::present())
        GTEST_SKIP() << "PostgreSQL's initdb is not installed, or this is not root";
      server_ = std::make_unique<PostgresServer>(folder_.path());
      url_ = server_->url();
      ASSERT_FALSE(url_.empty()) << "PostgreSQL did not start";
    }
  }
  Database open() {
    auto database = Database::open(url_);
    EXPECT_TRUE(database) << (database ? "" : database.error().message);
    return std::move(database.value());
  }
  NewEnvironment environment() const {
    NewEnvironment wanted{secrets::make_id(), secrets::make_id(), "n", "ada", "docker", "{}", "{}", "uid 0",
                          {}, {}, {}, {}};
    wanted.resources = {1000, 1 << 30, 1, 1 << 30};
    wanted.ports = {50000, 50999};
    return wanted;
  }
  static Result<void> allow(Transaction& t, long long gpus) {
    set_quota(t, "ada", {{1000000, 1LL << 50, gpus, 1LL << 50}, 1000});
    return {};
  }
  static long long count(Database& database, const std::string& table) {
    return *database.read([&](Transaction& t) -> Result<long long> {
      long long n = 0;
      t.sql << "SELECT COUNT(*) FROM " + table, soci::into(n);
      return n;
    });
  }
  TemporaryFolder folder_;
  std::unique_ptr<PostgresServer> server_;
  std::string url_;
};

TEST_P(StoreTest, FiftyCreatesAtOnceNeverPassTheQuota) {
  Database database = open();
  ASSERT_TRUE(database.transaction([](Transaction& t) { return allow(t, 20); }));
  std::atomic<int> made = 0, refused = 0;
  std::vector<std::jthread> threads;
  for (int i = 0; i < 50; ++i)
    threads.emplace_back([&] {
      auto created = database.transaction([&](Transaction& t) { return create(t, environment()); });
      if (created) ++made;
      else if (created.error().code == kQuotaExceeded) ++refused;
    });
  threads.clear();
  EXPECT_EQ(made, 20);
  EXPECT_EQ(refused, 30);
  for (const char* table : {"environments", "operations", "leases", "outbox", "audit"})
    EXPECT_EQ(count(database, table), 20) << table;
}

TEST_P(StoreTest, TwoRacersForOnePortHaveOneWinner) {
  Database database = open();
  ASSERT_TRUE(database.transaction([](Transaction& t) { return allow(t, 20); }));
  std::atomic<int> won = 0, exhausted = 0;
  std::vector<std::jthread> threads;
  for (int i = 0; i < 2; ++i)
    threads.emplace_back([&] {
      NewEnvironment wanted = environment();
      wanted.ports = {50000, 50000};
      auto created = database.transaction([&](Transaction& t) { return create(t, wanted); });
      if (created) ++won;
      else if (created.error().code == kPortsExhausted) ++exhausted;
    });
  threads.clear();
  EXPECT_EQ(won, 1);
  EXPECT_EQ(exhausted, 1);
}

TEST_P(StoreTest, AFailureLeavesNothing) {
  Database database = open();
  ASSERT_TRUE(database.transaction([](Transaction& t) { return allow(t, 20); }));
  auto failed = database.transaction([&](Transaction& t) -> Result<Created> {
    EXPECT_TRUE(create(t, environment()));
    return fail("after all");
  });
  EXPECT_FALSE(failed);
  for (const char* table : {"environments", "operations", "leases", "outbox", "audit"})
    EXPECT_EQ(count(database, table), 0) << table;
}

TEST_P(StoreTest, OpensTwiceAtOnceAndRefusesANewerSchema) {
  std::atomic<int> opened = 0;
  std::vector<std::jthread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] { opened += Database::open(url_).has_value(); });
  threads.clear();
  EXPECT_EQ(opened, 4);
  Database database = open();
  EXPECT_EQ(count(database, "schema_versions"), 1);
  ASSERT_TRUE(database.transaction([](Transaction& t) -> Result<void> {
    t.sql << "INSERT INTO schema_versions VALUES (99, 0)";
    return {};
  }));
  auto refused = Database::open(url_);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("newer program"), std::string::npos) << refused.error().message;
}

TEST_P(StoreTest, AReleasedPortRestsBeforeItIsLeasedAgain) {
  Database database = open();
  ASSERT_TRUE(database.transaction([](Transaction& t) { return allow(t, 20); }));
  NewEnvironment wanted = environment();
  wanted.ports = {50000, 50001};
  wanted.quarantine = std::chrono::hours(1);
  ASSERT_EQ(database.transaction([&](Transaction& t) { return create(t, wanted); })->port, 50000);
  const auto release = [&](long long at) {
    return database.transaction([&](Transaction& t) -> Result<void> {
      t.sql << "UPDATE leases SET released = :r WHERE port = 50000", soci::use(at);
      return {};
    });
  };
  ASSERT_TRUE(release(now_ms()));
  wanted.id = secrets::make_id(), wanted.operation_id = secrets::make_id();
  EXPECT_EQ(database.transaction([&](Transaction& t) { return create(t, wanted); })->port, 50001);
  ASSERT_TRUE(release(now_ms() - 2 * 3'600'000));
  wanted.id = secrets::make_id(), wanted.operation_id = secrets::make_id();
  EXPECT_EQ(database.transaction([&](Transaction& t) { return create(t, wanted); })->port, 50000);
}

TEST_P(StoreTest, APortThatCannotBeBoundIsPassedOver) {
  Database database = open();
  ASSERT_TRUE(database.transaction([](Transaction& t) { return allow(t, 20); }));
  NewEnvironment wanted = environment();
  wanted.can_bind_port = [](std::uint16_t port) { return port > 50003; };
  EXPECT_EQ(database.transaction([&](Transaction& t) { return create(t, wanted); })->port, 50004);
  auto again = database.transaction([&](Transaction& t) { return create(t, wanted); });
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, kConflict) << again.error().message;
}

TEST_P(StoreTest, ReadersCannotWriteAndDoNotWaitForTheWriter) {
  Database database = open();
  ASSERT_TRUE(database.transaction([](Transaction& t) { return allow(t, 20); }));
  auto refused = database.read([](Transaction& t) { return allow(t, 5); });
  EXPECT_FALSE(refused);
  auto seen = database.transaction([&](Transaction& t) -> Result<long long> {
    EXPECT_TRUE(create(t, environment()));
    // The writer is at work and holds its lock: a reader sees what was before it.
    return database.read([](Transaction& inner) -> Result<long long> {
      long long n = 0;
      inner.sql << "SELECT COUNT(*) FROM environments", soci::into(n);
      return n;
    });
  });
  ASSERT_TRUE(seen) << seen.error().message;
  EXPECT_EQ(*seen, 0);
  EXPECT_EQ(count(database, "environments"), 1);
}

TEST(StoreFile, IsItsOwnersAlone) {
  const TemporaryFolder folder;
  const std::string path = folder.path() + "/control.db";
  ASSERT_TRUE(Database::open("sqlite:" + path));
  struct stat file;
  ASSERT_EQ(::stat(path.c_str(), &file), 0);
  EXPECT_EQ(file.st_mode & 0777, 0600u);
  auto refused = Database::open("sqlite:" + folder.path() + "/not/there.db");
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("folder"), std::string::npos) << refused.error().message;
}

TEST_P(StoreTest, TamperingWithTheAuditIsFoundByLine) {
  Database database = open();
  auto verify = [&] { return database.transaction([](Transaction& t) { return verify_audit(t); }); };
  auto change = [&](const char* sql) {
    ASSERT_TRUE(database.transaction([&](Transaction& t) -> Result<void> {
      t.sql << sql;
      return {};
    }));
  };
  for (int i = 0; i < 5; ++i)
    ASSERT_TRUE(database.transaction([](Transaction& t) -> Result<void> {
      append_audit(t, {"uid 0", "start", "e1", "stopped", "running", "done"});
      return {};
    }));
  EXPECT_TRUE(verify());
  change("UPDATE audit SET who = 'uid 7' WHERE seq = 3");
  ASSERT_FALSE(verify());
  EXPECT_NE(verify().error().message.find("line 3 "), std::string::npos) << verify().error().message;
  change("UPDATE audit SET who = 'uid 0' WHERE seq = 3");
  EXPECT_TRUE(verify());
  change("DELETE FROM audit WHERE seq = 5");
  ASSERT_FALSE(verify());
  EXPECT_NE(verify().error().message.find("line 5 "), std::string::npos) << verify().error().message;
}

INSTANTIATE_TEST_SUITE_P(Databases, StoreTest, testing::Values("sqlite", "postgres"),
                         [](const auto& of) { return std::string(of.param); });

}  // namespace
}  // namespace envgate::control::store
