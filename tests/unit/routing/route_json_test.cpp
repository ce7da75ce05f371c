#include "routing/route_json.hpp"

#include <gtest/gtest.h>

namespace envgate::routing {
namespace {

const EnvId kDemo = *EnvId::parse("demo");

TEST(RouteJson, ReadsEverything) {
  const auto spec = parse_route_json(kDemo, R"({
    "env": "demo", "generation": 7, "kind": "vm", "state": "stopped", "address": "10.1.2.3",
    "created_at": "2026-02-02T10:30:00.123456789+08:00",
    "ssh": {"listen_port": 50022, "target_port": 2222, "mode": "audited", "host_keys": ["ssh-ed25519 AAAA"],
            "users": [{"name": "root", "verifier": "$6$x", "authorized_keys": ["ssh-ed25519 BBBB me"],
                       "totp": true}],
            "forbid": ["x11", "pty"], "record_input": true, "force_command": "top"},
    "http": [{"port": 8888, "target_port": 18888}, {"port": 443, "scheme": "https", "access": "private"}],
    "tcp": [{"listen_port": 50033, "target_port": 3389, "service": "rdp"}],
    "allow_from": ["192.0.2.0/24", "2001:db8::/32"],
    "limits": {"connections": 10, "requests_per_second": 20, "bandwidth": 5000000000},
    "wake": true, "owner": "ada", "something_newer": {"a": 1}})");
  ASSERT_TRUE(spec) << spec.error().message;
  EXPECT_EQ(spec->generation, 7u);
  EXPECT_EQ(spec->kind, Kind::vm);
  EXPECT_EQ(spec->state, State::stopped);
  EXPECT_EQ(spec->address.to_string(), "10.1.2.3");
  EXPECT_EQ(spec->created, 1769999400u);
  EXPECT_EQ(spec->ssh, (SshEntry{50022, 2222, SshMode::audited}));
  const Services& services = spec->services;
  ASSERT_EQ(services.http.size(), 2u);
  EXPECT_EQ(services.http[0], (HttpPort{8888, 18888, Scheme::http, Access::open}));
  EXPECT_EQ(services.http[1], (HttpPort{443, 443, Scheme::https, Access::restricted}));
  EXPECT_TRUE(services.http_declared);
  ASSERT_EQ(services.tcp.size(), 1u);
  EXPECT_EQ(services.tcp[0], (TcpPort{50033, 3389, "rdp"}));
  EXPECT_EQ(services.allow_from.size(), 2u);
  EXPECT_EQ(services.limits, (Limits{10, 20, 5000000000}));
  ASSERT_EQ(services.ssh_users.size(), 1u);
  EXPECT_EQ(services.ssh_users[0].verifier, "$6$x");
  EXPECT_EQ(services.ssh_host_keys.size(), 1u);
  EXPECT_TRUE(services.ssh_users[0].totp && services.ssh_record_input && services.wake);
  EXPECT_EQ(services.ssh_forbid, bit_of(SshForbid::x11) | bit_of(SshForbid::pty));
  EXPECT_TRUE(services.forbids(SshForbid::pty) && !services.forbids(SshForbid::agent));
  EXPECT_EQ(services.ssh_force_command, "top");
  EXPECT_EQ(services.owner, "ada");
}

TEST(RouteJson, OnlyTheAddressIsNeeded) {
  const auto spec = parse_route_json(kDemo, R"({"address": "fd00::1"})");
  ASSERT_TRUE(spec);
  EXPECT_EQ(spec->generation, 0u);
  EXPECT_EQ(spec->kind, Kind::container);
  EXPECT_EQ(spec->state, State::running);
  EXPECT_EQ(spec->ssh, (SshEntry{0, 22, SshMode::passthrough}));
  EXPECT_FALSE(spec->services.http_declared);
}

struct BadCase {
  const char* json;
  const char* message;  // its beginning
};

const BadCase kBadRoutes[] = {
    {"", "route: is not JSON"},
    {"{", "route: is not JSON"},
    {R"({"address":"10.0.0.1"} x)", "route: is not JSON"},
    {"[]", "route: is not an object"},
    {"null", "route: is not an object"},
    {"{}", "address: is missing"},
    {R"({"address":null})", "address: is missing"},
    {R"({"address":1})", "address: is not a string"},
    {R"({"address":"localhost"})", "address: \"localhost\" is not an IPv4"},
    {R"({"address":"10.0.0.256"})", "address: \"10.0.0.256\" is not an IPv4"},
    {R"({"address":"010.0.0.1"})", "address: \"010.0.0.1\""},
    {R"({"address":"fe80::1%eth0"})", "address: \"fe80::1%eth0\""},
    {R"({"address":"10.0.0.1","env":"other"})", "env: \"other\" is another environment than \"demo\""},
    {R"({"address":"10.0.0.1","env":"No"})", "env: \"No\" is not an environment id"},
    {R"({"address":"10.0.0.1","generation":-1})", "generation: -1 is not a whole number"},
    {R"({"address":"10.0.0.1","generation":1.5})", "generation: 1.5 is not a whole number"},
    {R"({"address":"10.0.0.1","generation":"1"})", "generation: \"1\" is not a whole number"},
    {R"({"address":"10.0.0.1","generation":99999999999999999999})", "generation: "},
    {R"({"address":"10.0.0.1","kind":"lxc"})", "kind: \"lxc\" is none of physical, container, vm, pod"},
    {R"({"address":"10.0.0.1","kind":1})", "kind: is not a string"},
    {R"({"address":"10.0.0.1","state":"ok"})", "state: \"ok\" is none of"},
    {R"({"address":"10.0.0.1","created_at":"yesterday"})", "created_at: "},
    {R"({"address":"10.0.0.1","ssh":[]})", "ssh: is not an object"},
    {R"({"address":"10.0.0.1","ssh":{"listen_port":65536}})", "ssh.listen_port: 65536 is not a port"},
    {R"({"address":"10.0.0.1","ssh":{"target_port":0}})", "ssh.target_port: 0 is not a port"},
    {R"({"address":"10.0.0.1","ssh":{"mode":"open"}})", "ssh.mode: \"open\" is none of"},
    {R"({"address":"10.0.0.1","ssh":{"users":[{}]}})", "ssh.users[0].name: is missing"},
    {R"({"address":"10.0.0.1","ssh":{"host_keys":[1]}})", "ssh.host_keys[0]: is not a string"},
    {R"({"address":"10.0.0.1","ssh":{"forbid":["x12"]}})", "ssh.forbid[0]: \"x12\" is none of agent, x11"},
    {R"({"address":"10.0.0.1","ssh":{"forbid":[null]}})", "ssh.forbid[0]: is not a string"},
    {R"({"address":"10.0.0.1","ssh":{"forbid":"x11"}})", "ssh.forbid: is not a list"},
    {R"({"address":"10.0.0.1","ssh":{"record_input":1}})", "ssh.record_input: is neither true nor false"},
    {R"({"address":"10.0.0.1","wake":"yes"})", "wake: is neither true nor false"},
    {R"({"address":"10.0.0.1","http":{}})", "http: is not a list"},
    {R"({"address":"10.0.0.1","http":[8888]})", "http[0]: is not an object"},
    {R"({"address":"10.0.0.1","http":[{}]})", "http[0].port: is missing"},
    {R"({"address":"10.0.0.1","http":[{"port":1},{"port":70000}]})", "http[1].port: 70000 is not a port"},
    {R"({"address":"10.0.0.1","http":[{"port":1},{"port":1}]})", "http[1].port: is listed twice"},
    {R"({"address":"10.0.0.1","http":[{"port":1,"scheme":"ftp"}]})", "http[0].scheme: \"ftp\" is none of"},
    {R"({"address":"10.0.0.1","tcp":[{"listen_port":1}]})", "tcp[0].target_port: is missing"},
    {R"({"address":"10.0.0.1","tcp":[{"listen_port":1,"target_port":2,"service":"a b"}]})",
     "tcp[0].service: "},
    {R"({"address":"10.0.0.1","ssh":{"listen_port":9},"tcp":[{"listen_port":9,"target_port":2}]})",
     "tcp[0].listen_port: is listed twice"},
    {R"({"address":"10.0.0.1","allow_from":["10.0.0.1/8"]})", "allow_from[0]: "},
    {R"({"address":"10.0.0.1","allow_from":"any"})", "allow_from: is not a list"},
    {R"({"address":"10.0.0.1","limits":{"connections":4294967296}})", "limits.connections: 4294967296"}};

TEST(BadRoutes, NameTheirPlace) {
  for (const auto& [text, message] : kBadRoutes) {
    SCOPED_TRACE(text);
    const auto result = parse_route_json(kDemo, text);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().message.substr(0, std::string_view(message).size()), message);
  }
}

TEST(RouteJson, RefusesUnknownKeysOnlyWhereAsked) {
  const char* json = R"({"address":"10.0.0.1","http":[{"port":1,"prot":2}]})";
  EXPECT_TRUE(parse_route_json(kDemo, json));
  const auto strict = parse_route_json(kDemo, json, UnknownKeys::refuse);
  ASSERT_FALSE(strict);
  EXPECT_EQ(strict.error().message, "http[0].prot: is not a key that a route has here");
}

TEST(RouteJson, IsBounded) {
  EXPECT_FALSE(parse_route_json(
      kDemo, "{\"address\":\"10.0.0.1\",\"x\":\"" + std::string(kMaxRouteJson, 'x') + "\"}"));
  std::string many = R"({"address":"10.0.0.1","http":[)";
  for (int i = 1; i <= 257; ++i) many += (i > 1 ? "," : "") + ("{\"port\":" + std::to_string(i) + "}");
  const auto spec = parse_route_json(kDemo, many + "]}");
  ASSERT_FALSE(spec);
  EXPECT_EQ(spec.error().message, "http: has 257 entries, more than 256");
  EXPECT_FALSE(parse_route_json(kDemo, std::string(60000, '[')));
}

TEST(RouteJson, OnlyWhatRunsNeedsAnAddress) {
  for (const char* state : {"starting", "stopping", "stopped", "error"}) {
    const auto spec = parse_route_json(kDemo, R"({"state":")" + std::string(state) + "\"}");
    ASSERT_TRUE(spec) << state;
    const RoutePtr route = Route::make(*spec);
    EXPECT_TRUE(route->nowhere()) << state;
    const std::string text = to_json(*route, Detail::full);
    EXPECT_EQ(text.find("address"), std::string::npos) << text;
    EXPECT_TRUE(Route::make(parse_route_json(text).value())->same_content(*route));
  }
  // One that is named is kept, and the unspecified address is one that cannot be.
  const auto named = parse_route_json(kDemo, R"({"state":"stopped","address":"10.0.0.1"})");
  EXPECT_FALSE(Route::make(*named)->nowhere());
  EXPECT_NE(to_json(*Route::make(*named)).find("10.0.0.1"), std::string::npos);
  EXPECT_FALSE(Route::make(parse_route_json(kDemo, R"({"address":"::"})").value())->nowhere());
}

TEST(RouteJson, WritesWhatItReads) {
  const char* texts[] = {
      R"({"address":"10.0.0.1"})", R"({"address":"10.0.0.1","http":[]})",
      R"({"generation":18446744073709551615,"kind":"pod","state":"error","address":"fd00::1",
          "created_at":"2026-02-02T10:30:00Z","allow_from":["10.0.0.0/8","::/0"],"limits":{"bandwidth":1},
          "ssh":{"listen_port":50000,"mode":"audited","users":[{"name":"r\"oot","verifier":"v","totp":true}],
                 "host_keys":["k"],"record_input":true,"force_command":"a \"b\"",
                 "forbid":["agent","x11","local_forwarding","remote_forwarding","unix_forwarding","sftp",
                           "exec","shell","pty"]},
          "wake":true,"owner":"ada",
          "http":[{"port":80,"target_port":81,"scheme":"https","access":"private"}],
          "tcp":[{"listen_port":5900,"target_port":5901,"service":"vnc"}]})"};
  for (const char* text : texts) {
    const auto spec = parse_route_json(kDemo, text);
    ASSERT_TRUE(spec) << spec.error().message;
    const RoutePtr route = Route::make(*spec);
    const auto again = parse_route_json(to_json(*route, Detail::full), UnknownKeys::refuse);
    ASSERT_TRUE(again) << again.error().message;
    EXPECT_TRUE(Route::make(*again)->same_content(*route)) << to_json(*route, Detail::full);
  }
}

TEST(RouteJson, TheAdminFormHasNoVerifier) {
  const auto spec = parse_route_json(
      kDemo,
      R"({"address":"10.0.0.1","ssh":{"users":[{"name":"root","verifier":"SECRET","password":"SECRET"}]}})");
  ASSERT_TRUE(spec);
  const RoutePtr route = Route::make(*spec);
  EXPECT_EQ(to_json(*route).find("SECRET"), std::string::npos);
  EXPECT_NE(to_json(*route).find("\"root\""), std::string::npos);
}

TEST(SeedKeys, TheIpAloneIsARoute) {
  const auto spec = from_seed_keys(kDemo, {.ip = "172.17.0.50"});
  ASSERT_TRUE(spec);
  EXPECT_EQ(spec->address.to_string(), "172.17.0.50");
  EXPECT_EQ(spec->generation, 0u);
  EXPECT_EQ(spec->ssh, (SshEntry{0, 22, SshMode::passthrough}));
  EXPECT_EQ(spec->kind, Kind::container);
}

TEST(SeedKeys, AsTheSeedWritesThem) {
  const auto spec = from_seed_keys(
      kDemo,
      {.ip = "192.168.1.101",
       .ssh_port = "56376",
       .type = "physical",
       .access_info = R"({"environment_id":"demo","ssh_password":"x","created_at":"2026-02-02T10:30:00Z"})"});
  ASSERT_TRUE(spec);
  EXPECT_EQ(spec->ssh.listen_port, 56376);  // where customers come in; the target's sshd is at 22
  EXPECT_EQ(spec->ssh.target_port, 22);
  EXPECT_EQ(spec->kind, Kind::physical);
  EXPECT_EQ(spec->created, 1770028200u);
}

TEST(SeedKeys, ForgiveWhatDoesNotMatter) {
  const auto spec = from_seed_keys(
      kDemo, {.ip = " 10.0.0.1\n", .ssh_port = "50000\n", .type = "gpu-node", .access_info = "not json"});
  ASSERT_TRUE(spec);
  EXPECT_EQ(spec->address.to_string(), "10.0.0.1");
  EXPECT_EQ(spec->ssh.listen_port, 50000);
  EXPECT_EQ(spec->kind, Kind::container);
  EXPECT_EQ(from_seed_keys(kDemo, {.ip = "10.0.0.1", .ssh_port = ""})->ssh.listen_port, 0);
  EXPECT_EQ(from_seed_keys(kDemo, {.ip = "10.0.0.1", .ssh_port = "0"})->ssh.listen_port, 0);
}

TEST(SeedKeys, RefuseWhatDoes) {
  EXPECT_EQ(from_seed_keys(kDemo, {}).error().message, "ip: is missing");
  EXPECT_FALSE(from_seed_keys(kDemo, {.ip = ""}));
  EXPECT_FALSE(from_seed_keys(kDemo, {.ip = "node7.internal"}));
  for (const std::string_view port : {"65536", "-1", "ssh", "22.0", "0x16"}) {
    EXPECT_FALSE(from_seed_keys(kDemo, {.ip = "10.0.0.1", .ssh_port = port})) << port;
  }
}

TEST(Route, SharesEqualServices) {
  ServicesPool pool;
  const auto spec = parse_route_json(kDemo, R"({"address":"10.0.0.1","http":[{"port":8888}]})");
  RouteSpec other = *spec;
  other.env = *EnvId::parse("other");
  RoutePtr a = Route::make(*spec, &pool);
  RoutePtr b = Route::make(other, &pool);
  EXPECT_EQ(&a->services(), &b->services());
  EXPECT_EQ(pool.size(), 1u);
  pool.sweep();
  EXPECT_EQ(pool.size(), 1u);
  a = RoutePtr();
  pool.sweep();
  EXPECT_EQ(pool.size(), 1u);
  b = RoutePtr();
  pool.sweep();
  EXPECT_EQ(pool.size(), 0u);
}

TEST(Route, LeavesPortsOut) {
  const auto spec = parse_route_json(kDemo, R"({"address":"10.0.0.1","ssh":{"listen_port":1},
      "tcp":[{"listen_port":2,"target_port":2},{"listen_port":3,"target_port":3}]})");
  const RoutePtr whole = Route::make(*spec);
  const RoutePtr part = without_ports(*whole, true, {3});
  EXPECT_EQ(part->ssh.listen_port, 0);
  ASSERT_EQ(part->services().tcp.size(), 1u);
  EXPECT_EQ(part->services().tcp[0].listen_port, 2);
  EXPECT_TRUE(part->port_refused);
  EXPECT_FALSE(whole->port_refused);
  EXPECT_EQ(whole->services().tcp.size(), 2u);
}

}  // namespace
}  // namespace envgate::routing
