// The whole engine on the file source: loading, reloading, bad files, the snapshot, the admin views.
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <mutex>

#include "base/metrics.hpp"
#include "tests/unit/routing/fixtures.hpp"

namespace envgate::routing {
namespace {

using testing::address_of;
using testing::eventually;
using testing::id;
using testing::TempDir;
using testing::write_file;
using namespace std::chrono_literals;

std::string routes_yaml(const std::string& address, const std::string& more = "") {
  return "routes:\n- {env: demo, address: " + address + ", ssh: {listen_port: 50022}}\n" + more;
}

class RouterOnAFile : public ::testing::Test {
 protected:
  RouterOnAFile() {
    settings.file = dir / "routes.yaml";
    settings.snapshot = dir / "routes.snapshot";
    settings.snapshot_interval = 1ms;
    settings.start_wait = 10s;
  }
  TempDir dir;
  RoutingSettings settings;
};

TEST_F(RouterOnAFile, LoadsAndFollowsTheFile) {
  write_file(settings.file, routes_yaml("10.0.0.1"));
  Router router(settings);
  std::mutex mutex;
  std::vector<std::string> seen;
  router.subscribe([&](std::span<const RouteChange> changes) {
    const std::lock_guard lock(mutex);
    for (const RouteChange& change : changes) {
      seen.push_back((change.before ? change.before->address.to_string() : "-") + ">" +
                     (change.after ? change.after->address.to_string() : "-"));
    }
  });
  ASSERT_TRUE(router.start());
  EXPECT_EQ(address_of(router, "demo"), "10.0.0.1");
  EXPECT_EQ(router.status().state, SourceState::live);
  EXPECT_EQ(router.status().routes, 1u);
  write_file(settings.file, routes_yaml("10.0.0.2"));
  EXPECT_TRUE(eventually([&] { return address_of(router, "demo") == "10.0.0.2"; }, 1s));
  write_file(dir / "fresh", routes_yaml("10.0.0.3"));  // moved over it, as editors and deployments do
  std::filesystem::rename(dir / "fresh", settings.file);
  EXPECT_TRUE(eventually([&] { return address_of(router, "demo") == "10.0.0.3"; }, 1s));
  write_file(settings.file, "routes: []\n");
  EXPECT_TRUE(eventually([&] { return router.status().routes == 0; }, 1s));
  const std::lock_guard lock(mutex);
  EXPECT_EQ(seen,
            (std::vector<std::string>{"->10.0.0.1", "10.0.0.1>10.0.0.2", "10.0.0.2>10.0.0.3", "10.0.0.3>-"}));
}

TEST_F(RouterOnAFile, FollowsASymbolicLinkThatIsSwapped) {
  std::filesystem::create_directory(dir / "one");
  std::filesystem::create_directory(dir / "two");
  write_file(dir / "one/routes.yaml", routes_yaml("10.0.0.1"));
  write_file(dir / "two/routes.yaml", routes_yaml("10.0.0.2"));
  std::filesystem::create_symlink("one", dir / "current");  // a Kubernetes ConfigMap is mounted like this
  std::filesystem::create_symlink("current/routes.yaml", settings.file);
  Router router(settings);
  ASSERT_TRUE(router.start());
  std::filesystem::create_symlink("two", dir / "next");
  std::filesystem::rename(dir / "next", dir / "current");
  EXPECT_TRUE(eventually([&] { return address_of(router, "demo") == "10.0.0.2"; }, 1s));
}

TEST_F(RouterOnAFile, ABadFileKeepsTheLastGoodRoutes) {
  write_file(settings.file, routes_yaml("10.0.0.1"));
  Router router(settings);
  ASSERT_TRUE(router.start());
  const auto& errors = metrics::counter("envgate_route_file_loads_total", "", {{"result", "error"}});
  const std::uint64_t before = errors.value();
  write_file(settings.file, routes_yaml("10.0.0.2", "- {env: other, address: nowhere}\n"));
  ASSERT_TRUE(eventually([&] { return router.status().state == SourceState::stale; }, 1s));
  EXPECT_EQ(address_of(router, "demo"), "10.0.0.1");
  EXPECT_NE(router.status().last_error.find("routes.yaml:3: address: \"nowhere\""), std::string::npos)
      << router.status().last_error;
  EXPECT_GT(errors.value(), before);
  ::unlink(settings.file.c_str());
  ASSERT_TRUE(eventually([&] { return !router.status().connected; }, 1s));
  EXPECT_EQ(address_of(router, "demo"), "10.0.0.1");
  write_file(settings.file, routes_yaml("10.0.0.3"));
  EXPECT_TRUE(eventually([&] { return address_of(router, "demo") == "10.0.0.3"; }, 1s));
  EXPECT_EQ(router.status().state, SourceState::live);
  EXPECT_EQ(router.status().last_error, "");
}

TEST_F(RouterOnAFile, DoesNotStartWithoutOne) {
  Router missing(settings);
  const auto started = missing.start();
  ASSERT_FALSE(started);
  EXPECT_NE(started.error().message.find(settings.file), std::string::npos);
  write_file(settings.file, "routes: 7\n");
  Router bad(settings);
  EXPECT_EQ(bad.start().error().message, settings.file + ":1: routes: is not a list");
  settings.file.clear();
  EXPECT_FALSE(Router(settings).start());
}

TEST_F(RouterOnAFile, StartsFromTheSnapshotWhenTheFileIsBad) {
  write_file(settings.file, routes_yaml("10.0.0.1"));
  {
    Router router(settings);
    ASSERT_TRUE(router.start());
  }
  write_file(settings.file, "oops");
  {
    Router router(settings);
    ASSERT_TRUE(router.start());
    EXPECT_EQ(address_of(router, "demo"), "10.0.0.1");
    EXPECT_EQ(router.status().state, SourceState::stale);
  }
  write_file(settings.snapshot, "damaged");
  EXPECT_FALSE(Router(settings).start());
}

TEST_F(RouterOnAFile, RefusesRoutesOneByOne) {
  settings.listen_ports = PortRange{50000, 59999};
  write_file(settings.file, routes_yaml("10.0.0.1",
                                        "- {env: loop, address: 127.0.0.1}\n"
                                        "- {env: late, address: 10.0.0.2, ssh: {listen_port: 50022}}\n"
                                        "- {env: far, address: 10.0.0.3, ssh: {listen_port: 22}}\n"));
  Router router(settings);
  ASSERT_TRUE(router.start());
  const auto status = router.status();
  EXPECT_EQ(status.routes, 3u);
  EXPECT_EQ(status.refused,
            (std::map<std::string, std::size_t>{{"address", 1}, {"port_clash", 1}, {"port_range", 1}}));
  EXPECT_EQ(router.get(id("demo"))->ssh.listen_port, 50022);
  EXPECT_EQ(router.get(id("late"))->ssh.listen_port, 0);
  settings.allowed_targets.push_back(*Cidr::parse("127.0.0.0/8"));
  router.reload(settings);
  EXPECT_TRUE(eventually([&] { return address_of(router, "loop") == "127.0.0.1"; }));
}

TEST_F(RouterOnAFile, AnswersMissesAtOnce) {
  write_file(settings.file, routes_yaml("10.0.0.1"));
  Router router(settings);
  ASSERT_TRUE(router.start());
  std::atomic<int> absent{0}, found{0};
  for (const char* env : {"nobody", "demo"}) {
    ASSERT_TRUE(router.resolve(id(env), [&](Resolution resolution) {
      (resolution.outcome == Resolution::Outcome::found ? found : absent)++;
    }));
  }
  EXPECT_TRUE(eventually([&] { return absent == 1 && found == 1; }, 1s));
  EXPECT_TRUE(router.known_absent(id("nobody")));
  EXPECT_FALSE(router.known_absent(id("demo")));
  router.stop();
  EXPECT_FALSE(router.resolve(id("nobody"), [](Resolution) { FAIL(); }));
}

TEST_F(RouterOnAFile, ListsByIdPageByPage) {
  std::string more;
  for (int i = 0; i < 25; ++i) more += "- {env: e" + std::to_string(i) + ", address: 10.0.1.1}\n";
  write_file(settings.file, routes_yaml("10.0.0.1", more));
  Router router(settings);
  ASSERT_TRUE(router.start());
  std::vector<std::string> names;
  std::optional<EnvId> cursor;
  int pages = 0;
  do {
    const RoutePage page = router.list(cursor, 10);
    for (const RoutePtr& route : page.routes) names.push_back(route->env.str());
    cursor = page.next;
    ++pages;
  } while (cursor);
  EXPECT_EQ(pages, 3);
  EXPECT_EQ(names.size(), 26u);
  EXPECT_TRUE(std::is_sorted(names.begin(), names.end()));
}

TEST_F(RouterOnAFile, ReadersSeeChangesWhileTheyRun) {
  write_file(settings.file, routes_yaml("10.0.0.1"));
  Router router(settings);
  ASSERT_TRUE(router.start());
  {
    const auto reader = router.make_reader();
    reader->online();
    write_file(settings.file, routes_yaml("10.0.0.2"));
    EXPECT_TRUE(eventually([&] {
      reader->quiescent();
      return reader->find_port(50022).route->address.to_string() == "10.0.0.2";
    }));
  }
}

}  // namespace
}  // namespace envgate::routing
