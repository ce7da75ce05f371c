#include "routing/snapshot.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cerrno>

#include "routing/route_file.hpp"
#include "tests/unit/routing/fixtures.hpp"

namespace envgate::routing {
namespace {

using testing::id;
using testing::spec;
using testing::TempDir;

std::vector<RoutePtr> some_routes() {
  RouteSpec rich = spec("b2", "fd00::7", 50001, 9);
  rich.services.http_declared = true;
  rich.services.http = {{8888, 18888, Scheme::http, Access::restricted}};
  rich.services.ssh_users = {{"root", "$6$verifier", {}}};
  return {Route::make(spec("a1", "10.0.0.1", 50000)), Route::make(rich),
          Route::make(spec("123", "10.0.0.2"))};
}

TEST(Snapshot, ComesBackAsItWas) {
  const auto routes = some_routes();
  const std::string text = format_snapshot(routes, "run1", 1770028200);
  const auto snapshot = parse_snapshot(text);
  ASSERT_TRUE(snapshot) << snapshot.error().message;
  EXPECT_EQ(snapshot->server, "run1");
  ASSERT_EQ(snapshot->routes.size(), 3u);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_TRUE(Route::make(snapshot->routes[i])->same_content(*routes[i])) << text;
  }
}

TEST(Snapshot, IsARouteFileToo) {
  const auto routes = some_routes();
  std::string text = format_snapshot(routes, "run1", 1770028200);
  EXPECT_EQ(parse_route_file("f", text)->size(), 3u);
  text.replace(text.find("10.0.0.1"), 8, "10.0.0.9");  // edited by hand: the checksum is off, but it is YAML
  const auto edited = parse_route_file("f", text);
  ASSERT_TRUE(edited) << edited.error().message;
  EXPECT_EQ(edited->at(0).address.to_string(), "10.0.0.9");
  EXPECT_EQ(parse_route_file("f", format_snapshot({}, "", 0))->size(), 0u);
}

TEST(Snapshot, NoticesDamage) {
  const std::string text = format_snapshot(some_routes(), "run1", 1770028200);
  for (std::size_t size = 0; size < text.size(); size += 7) {
    EXPECT_FALSE(parse_snapshot(text.substr(0, size))) << size;
  }
  for (std::size_t at = 0; at < text.size(); at += 3) {
    std::string damaged = text;
    damaged[at] ^= 1;
    EXPECT_FALSE(parse_snapshot(damaged)) << at;
  }
  EXPECT_FALSE(parse_snapshot(text + text));
}

TEST(Snapshot, IsWrittenWholeAndPrivate) {
  const TempDir dir;
  const std::string path = dir / "routes.snapshot";
  EXPECT_EQ(load_snapshot(path).error().code, ENOENT);
  ASSERT_TRUE(save_snapshot(path, format_snapshot(some_routes(), "", 1)));
  struct stat status {};
  ASSERT_EQ(::stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  EXPECT_FALSE(std::filesystem::exists(path + ".new"));
  const auto loaded = load_snapshot(path);
  ASSERT_TRUE(loaded);
  EXPECT_EQ(loaded->heard_at, status.st_mtim.tv_sec);
  const auto failed = save_snapshot(dir / "no/such/place", "x");
  ASSERT_FALSE(failed);
  EXPECT_NE(failed.error().message.find("no/such/place"), std::string::npos);
}

TEST(SnapshotWriter, WritesInTheBackground) {
  const TempDir dir;
  const std::string path = dir / "routes.snapshot";
  {
    SnapshotWriter writer(path);
    ASSERT_TRUE(writer.submit(some_routes(), "run1"));
  }
  EXPECT_EQ(load_snapshot(path)->routes.size(), 3u);
}

struct FileCase {
  const char* text;
  const char* error;  // its beginning
};

const FileCase kBadRouteFiles[] = {
    {"", "r.yaml: is not a YAML mapping"},
    {"- a", "r.yaml: is not a YAML mapping"},
    {"a: [", "r.yaml:1: "},
    {"other: 1", "r.yaml:1: key \"other\" is not known here"},
    {"routes: 5", "r.yaml:1: routes: is not a list"},
    {"routes:\n- {env: a}\n", "r.yaml:2: address: is missing"},
    {"routes:\n- {address: 10.0.0.1}\n", "r.yaml:2: env: is missing"},
    {"routes:\n- env: a\n  address: 10.0.0.1\n  adress: x\n",
     "r.yaml:4: adress: is not a key that a route has here"},
    {"routes:\n- env: a\n  address: 10.0.0.1\n- env: b\n  address: nowhere\n",
     "r.yaml:5: address: \"nowhere\" is not"},
    {"routes:\n- env: a\n  address: 10.0.0.1\n  http:\n  - port: 1\n  - port: 70000\n",
     "r.yaml:6: http[1].port: 70000 is not a port"},
    {"routes:\n- env: a\n  address: 10.0.0.1\n  ssh: {listen_port: '22'}\n",
     "r.yaml:4: ssh.listen_port: \"22\" is not a port"},
    {"routes:\n- {env: a, address: 10.0.0.1}\n- {env: a, address: 10.0.0.2}\n",
     "r.yaml:3: environment \"a\" is there already, at line 2"},
    {"routes:\n- {env: a, address: 10.0.0.1, address: 10.0.0.2}\n",
     "r.yaml:2: key \"address\" is there twice"},
    {"routes:\n- {env: A, address: 10.0.0.1}\n", "r.yaml:2: env: \"A\" is not an environment id"},
    {"routes: [[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]", "r.yaml:1: nested too deeply"}};

TEST(BadRouteFiles, NameTheLine) {
  for (const auto& [text, message] : kBadRouteFiles) {
    SCOPED_TRACE(text);
    const auto result = parse_route_file("r.yaml", text);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().message.substr(0, std::string_view(message).size()), message);
  }
}

TEST(RouteFile, ReadsWhatTheReadmeShows) {
  const auto routes = parse_route_file("r.yaml", R"(
routes:
  - {env: demo, generation: 1, kind: container, address: 127.0.0.1,
     ssh: {listen_port: 50022, target_port: 2222}, http: [{port: 8888, target_port: 18888}]}
  - env: 0123456789
    address: "fd00::1"
)");
  ASSERT_TRUE(routes) << routes.error().message;
  ASSERT_EQ(routes->size(), 2u);
  EXPECT_EQ(routes->at(0).ssh, (SshEntry{50022, 2222, SshMode::passthrough}));
  EXPECT_EQ(routes->at(0).services.http[0].target_port, 18888);
  EXPECT_EQ(routes->at(1).env, id("0123456789"));
  EXPECT_TRUE(parse_route_file("r.yaml", "routes:\n"));
}

}  // namespace
}  // namespace envgate::routing
