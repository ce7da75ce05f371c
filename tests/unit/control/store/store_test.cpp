// The store, on SQLite and on a PostgreSQL that the test starts itself.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <atomic>
#include <set>
#include <thread>
#include <vector>

#include "control/secrets/random.hpp"
#include "control/store/audit.hpp"
#include "control/store/changes.hpp"
#include "control/store/environments.hpp"
#include "control/store/session.hpp"
#include "tests/unit/control/postgres_server.hpp"

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

TEST_P(StoreTest, OpensTwiceAtOnceAndRefusesANewerSchema) {
  std::atomic<int> opened = 0;
  std::vector<std::jthread> threads;
  for (int i = 0; i < 4; ++i) threads.emplace_back([&] { opened += Database::open(url_).has_value(); });
  threads.clear();
  EXPECT_EQ(opened, 4);
  Database database = open();
  EXPECT_EQ(count(database, "schema_versions"), 2) << "each version once";
  ASSERT_TRUE(database.transaction([](Transaction& t) -> Result<void> {
    t.sql << "INSERT INTO schema_versions VALUES (99, 0)";
    return {};
  }));
  auto refused = Database::open(url_);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("newer program"), std::string::npos) << refused.error().message;
}

// As a version 1 program left it: without what version 2 has added.
TEST_P(StoreTest, AnOlderDatabaseIsBroughtToThisVersionWithItsRows) {
  {
    Database database = open();
    ASSERT_TRUE(database.transaction([](Transaction& t) -> Result<void> {
      Environment e;
      e.id = "old";
      e.owner = "ada";
      insert_environment(t, e);
      for (const char* column : {"verifier", "onward_key", "host_keys", "ssh_server", "host_keys_instance"})
        t.sql << std::string("ALTER TABLE environments DROP COLUMN ") + column;
      for (const char* table : {"shares", "owner_keys", "owners", "ssh_authority"})
        t.sql << std::string("DROP TABLE ") + table;
      t.sql << "DELETE FROM schema_versions WHERE version = 2";
      return {};
    }));
  }
  Database database = open();
  EXPECT_EQ(count(database, "schema_versions"), 2);
  const auto old = database.read(
      [](Transaction& t) -> Result<std::optional<Environment>> { return find_environment(t, "old"); });
  ASSERT_TRUE(old && *old);
  EXPECT_EQ((*old)->owner, "ada");
  EXPECT_EQ((*old)->host_keys, "[]");
  EXPECT_EQ((*old)->verifier, "");
}

TEST_P(StoreTest, AReleasedPortRestsBeforeItIsLeasedAgain) {
  Database database = open();
  LeaseRequest wanted{"ssh", 22, {50000, 50001}, std::chrono::hours(1), {}};
  const auto lease = [&](const char* environment) {
    return database.transaction([&](Transaction& t) { return lease_port(t, environment, wanted); });
  };
  ASSERT_EQ(lease("a").value(), 50000);
  ASSERT_TRUE(database.transaction([](Transaction& t) -> Result<void> {
    release_ports(t, "a");
    return {};
  }));
  EXPECT_EQ(lease("b").value(), 50001);
  const auto none = lease("c");
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, kPortsExhausted) << none.error().message;
  wanted.quarantine = std::chrono::milliseconds(0);
  std::this_thread::sleep_for(std::chrono::milliseconds(2));  // the database counts in milliseconds
  EXPECT_EQ(lease("c").value(), 50000);
}

TEST_P(StoreTest, APortThatCannotBeBoundIsPassedOver) {
  Database database = open();
  const LeaseRequest wanted{"ssh", 22, {50000, 50999}, {}, [](std::uint16_t port) { return port > 50003; }};
  EXPECT_EQ(database.transaction([&](Transaction& t) { return lease_port(t, "a", wanted); }).value(), 50004);
}

TEST_P(StoreTest, ReadersCannotWriteAndDoNotWaitForTheWriter) {
  Database database = open();
  const auto write = [](Transaction& t) -> Result<void> {
    set_quota(t, "ada", {});
    return {};
  };
  EXPECT_FALSE(database.read(write));
  auto seen = database.transaction([&](Transaction& t) -> Result<bool> {
    EXPECT_TRUE(write(t));
    // The writer is at work and holds its lock: a reader sees what was before it.
    return database.read(
        [](Transaction& inner) -> Result<bool> { return find_quota(inner, "ada").has_value(); });
  });
  ASSERT_TRUE(seen) << seen.error().message;
  EXPECT_FALSE(*seen);
  EXPECT_EQ(count(database, "quotas"), 1);
}

TEST_P(StoreTest, WritersThatWaitLeaveSessionsToReaders) {
  Database::Options options;
  options.sessions = 2;
  auto database = Database::open(url_, options);
  ASSERT_TRUE(database);
  std::atomic<bool> inside = false, leave = false;
  std::atomic<int> written = 0;
  const auto write = [&] {
    written += database
                   ->transaction([&](Transaction& t) -> Result<void> {
                     inside = true;
                     while (!leave) std::this_thread::yield();
                     append_event(t, "e", "kind", "{}");
                     return {};
                   })
                   .has_value();
  };
  std::vector<std::jthread> writers;
  for (int i = 0; i < 6; ++i) writers.emplace_back(write);
  while (!inside) std::this_thread::yield();
  EXPECT_EQ(count(*database, "events"), 0) << "and the read came back";
  EXPECT_EQ(written, 0);
  leave = true;
  writers.clear();
  EXPECT_EQ(written, 6);
  EXPECT_EQ(count(*database, "events"), 6);
}

TEST_P(StoreTest, AClaimIsOnesUntilItExpires) {
  Database database = open();
  const auto claims = [&](const char* token, std::chrono::milliseconds lifetime) {
    return *database.transaction(
        [&](Transaction& t) -> Result<bool> { return claim(t, "e", token, lifetime); });
  };
  EXPECT_TRUE(claims("one", std::chrono::minutes(1)));
  EXPECT_FALSE(claims("two", std::chrono::minutes(1)));
  EXPECT_TRUE(claims("one", std::chrono::milliseconds(0))) << "its own, to renew";
  std::this_thread::sleep_for(std::chrono::milliseconds(2));
  EXPECT_TRUE(claims("two", std::chrono::minutes(1)));
  EXPECT_FALSE(*database.read([](Transaction& t) -> Result<bool> { return holds_claim(t, "e", "one"); }));
}

TEST_P(StoreTest, EnvironmentsComeInPagesWithoutGapOrRepeat) {
  Database database = open();
  ASSERT_TRUE(database.transaction([](Transaction& t) -> Result<void> {
    for (int i = 0; i < 25; ++i) {
      Environment e;
      e.id = "id" + std::to_string(100 + i), e.name = "n" + std::to_string(i % 3),
      e.owner = i % 2 ? "ada" : "bob";
      e.created = 1000 + i / 5;  // many at one moment
      insert_environment(t, e);
    }
    return {};
  }));
  for (const Order order : {Order::created, Order::name})
    for (const bool descending : {false, true}) {
      PageRequest page;
      page.limit = 4, page.descending = descending;
      std::vector<std::string> ids;
      for (bool more = true; more;) {
        const auto rows = database.read([&](Transaction& t) -> Result<std::vector<Environment>> {
          return list_environments(t, {}, order, page);
        });
        for (const Environment& e : *rows) ids.push_back(e.id);
        more = rows->size() == page.limit;
        if (!more) continue;
        page.after_id = rows->back().id;
        page.after_key = order == Order::name ? rows->back().name : std::to_string(rows->back().created);
      }
      EXPECT_EQ(ids.size(), 25u);
      EXPECT_EQ(std::set<std::string>(ids.begin(), ids.end()).size(), 25u);
    }
  EnvironmentFilter bobs;
  bobs.owner = "bob";
  EXPECT_EQ(database
                .read([&](Transaction& t) -> Result<std::size_t> {
                  return list_environments(t, bobs, Order::created, {}).size();
                })
                .value(),
            13u);
}

TEST_P(StoreTest, RouteChangesFollowASnapshotWithoutAGap) {
  Database database = open();
  const auto put = [&](const char* json) {
    ASSERT_TRUE(database.transaction([&](Transaction& t) -> Result<void> {
      auto e = find_environment(t, "e");
      if (!e) {
        e.emplace().id = "e";
        insert_environment(t, *e);
      }
      put_route(t, *e, next_route_generation(t), json);
      update_environment(t, *e);
      return {};
    }));
  };
  put("{1}");
  const auto snapshot = database.read([](Transaction& t) -> Result<RouteSnapshot> { return all_routes(t); });
  EXPECT_EQ(snapshot->generation, 1);
  EXPECT_EQ(snapshot->routes, std::vector<std::string>{"{1}"});
  put("{2}");
  put("");
  const auto after = [&](long long generation) {
    return *database.read([&](Transaction& t) -> Result<std::optional<std::vector<RouteChange>>> {
      return route_changes(t, generation, 10);
    });
  };
  ASSERT_EQ(after(1)->size(), 2u);
  EXPECT_EQ(after(1)->at(0).route, "{2}");
  EXPECT_EQ(after(1)->at(1).route, "");
  EXPECT_TRUE(after(3)->empty());
  ASSERT_TRUE(database.transaction([](Transaction& t) -> Result<void> {
    cut_changes(t, 1);
    return {};
  }));
  EXPECT_FALSE(after(1)) << "2 was cut off";
  EXPECT_EQ(after(2)->size(), 1u);
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
