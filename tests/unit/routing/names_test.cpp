#include "routing/names.hpp"

#include <gtest/gtest.h>

#include <unordered_set>

namespace envgate::routing {
namespace {

TEST(EnvId, TakesOneTo32LowerCaseLettersAndDigits) {
  for (const std::string_view good : {"a", "0", "6hiflzwte2xnkroq", "abcdefghijklmnopqrstuvwxyz012345"}) {
    const auto id = EnvId::parse(good);
    ASSERT_TRUE(id) << good;
    EXPECT_EQ(id->view(), good);
  }
  for (const std::string_view bad :
       {"", "A", "a-b", "a.b", "a b", "a_b", "\xc3\xa4", "abcdefghijklmnopqrstuvwxyz0123456"}) {
    EXPECT_FALSE(EnvId::parse(bad)) << bad;
  }
  EXPECT_FALSE(EnvId::parse(std::string_view("a\0b", 3)));
}

TEST(EnvId, FoldsCaseOnlyWhereAsked) {
  EXPECT_EQ(EnvId::parse_folded("DeMo1")->view(), "demo1");
  EXPECT_FALSE(EnvId::parse_folded("de-mo"));
  EXPECT_FALSE(EnvId::parse_folded(std::string(40, 'a')));
}

TEST(EnvId, IsAKey) {
  std::unordered_set<EnvId> ids;
  for (int i = 0; i < 10000; ++i) ids.insert(*EnvId::parse("e" + std::to_string(i)));
  EXPECT_EQ(ids.size(), 10000u);
  EXPECT_TRUE(ids.contains(*EnvId::parse("e77")));
  EXPECT_FALSE(ids.contains(*EnvId::parse("e10000")));
  EXPECT_LT(*EnvId::parse("a"), *EnvId::parse("aa"));
}

TEST(EnvId, HashesSpreadOverEveryBit) {
  std::uint64_t ones = 0, zeros = 0;
  for (int i = 0; i < 1000; ++i) {
    const std::uint64_t hash = EnvId::parse("x" + std::to_string(i))->hash();
    ones |= hash;
    zeros |= ~hash;
  }
  EXPECT_EQ(ones, ~std::uint64_t{0});
  EXPECT_EQ(zeros, ~std::uint64_t{0});
}

struct HostCase {
  std::string_view host;
  std::string_view env;  // empty: no name of ours
  std::uint16_t port;    // 0: ssh
};

const HostCase kHosts[] = {
    {"6hiflzwte2xnkroq-8888.container.x-gpu.com", "6hiflzwte2xnkroq", 8888},
    {"6hiflzwte2xnkroq.ssh.x-gpu.com", "6hiflzwte2xnkroq", 0},
    {"DEMO-1.Container.X-GPU.Com", "demo", 1},
    {"demo-65535.container.x-gpu.com.", "demo", 65535},
    {"Demo.SSH.x-gpu.com.", "demo", 0},
    {"abcdefghijklmnopqrstuvwxyz012345-80.container.x-gpu.com", "abcdefghijklmnopqrstuvwxyz012345", 80},
    {"1-1.container.x-gpu.com", "1", 1},
    {"", "", 0},
    {".", "", 0},
    {"x-gpu.com", "", 0},
    {"container.x-gpu.com", "", 0},
    {".container.x-gpu.com", "", 0},
    {"-80.container.x-gpu.com", "", 0},
    {"demo.container.x-gpu.com", "", 0},
    {"demo-.container.x-gpu.com", "", 0},
    {"demo-0.container.x-gpu.com", "", 0},
    {"demo-080.container.x-gpu.com", "", 0},
    {"demo-65536.container.x-gpu.com", "", 0},
    {"demo-99999.container.x-gpu.com", "", 0},
    {"demo-100000.container.x-gpu.com", "", 0},
    {"demo-+80.container.x-gpu.com", "", 0},
    {"demo- 80.container.x-gpu.com", "", 0},
    {"demo-80-80.container.x-gpu.com", "", 0},
    {"demo-80.container.x-gpu.com..", "", 0},
    {"demo-80.container.x-gpu.com:443", "", 0},
    {"a.demo-80.container.x-gpu.com", "", 0},
    {"demo-80.container.x-gpu.org", "", 0},
    {"demo-80.container.y-x-gpu.com", "", 0},
    {"de_mo-80.container.x-gpu.com", "", 0},
    {"demo-80.ssh.x-gpu.com", "", 0},
    {"a.b.ssh.x-gpu.com", "", 0},
    {".ssh.x-gpu.com", "", 0},
    {"ssh.x-gpu.com", "", 0},
    {"abcdefghijklmnopqrstuvwxyz0123456.ssh.x-gpu.com", "", 0},
    {std::string_view("de\0mo.ssh.x-gpu.com", 19), "", 0}};

TEST(HostNames, AreParsed) {
  const auto domain = Domain::make("x-gpu.com");
  ASSERT_TRUE(domain);
  for (const auto& [host, env, port] : kHosts) {
    SCOPED_TRACE(host);
    const auto name = domain->parse(host);
    ASSERT_EQ(name.has_value(), !env.empty());
    if (!name) continue;
    EXPECT_EQ(name->env.view(), env);
    EXPECT_EQ(name->port, port);
    EXPECT_EQ(name->kind, port == 0 ? HostName::Kind::ssh : HostName::Kind::container);
  }
}

TEST(Domain, BuildsWhatItParses) {
  const auto domain = Domain::make("LocalHost.");
  ASSERT_TRUE(domain);
  EXPECT_EQ(domain->name(), "localhost");
  const EnvId demo = *EnvId::parse("demo");
  EXPECT_EQ(domain->ssh_host(demo), "demo.ssh.localhost");
  EXPECT_EQ(domain->container_host(demo, 8888), "demo-8888.container.localhost");
  EXPECT_EQ(domain->parse(domain->container_host(demo, 8888)),
            (HostName{HostName::Kind::container, demo, 8888}));
  EXPECT_EQ(domain->parse(domain->ssh_host(demo)), (HostName{HostName::Kind::ssh, demo, 0}));
}

TEST(Domain, RefusesWhatIsNoHostName) {
  for (const std::string& bad : {std::string(), std::string("."), std::string("a..b"), std::string("-a.com"),
                                 std::string("a-.com"), std::string("a b"), std::string("a_b.com"),
                                 std::string(".com"), std::string(64, 'a'), std::string("*.com")}) {
    const auto domain = Domain::make(bad);
    ASSERT_FALSE(domain) << bad;
    EXPECT_NE(domain.error().message.find('"' + bad + '"'), std::string::npos);
  }
  std::string long_name;
  for (int i = 0; i < 4; ++i) long_name += std::string(51, 'a') + ".";
  long_name.pop_back();
  EXPECT_FALSE(Domain::make(long_name));  // 207: a name below it would be longer than 253
  EXPECT_TRUE(Domain::make(long_name.substr(3)));
}

TEST(ParsePort, IsExact) {
  EXPECT_EQ(parse_port("1"), 1);
  EXPECT_EQ(parse_port("65535"), 65535);
  for (const std::string_view bad : {"", "0", "01", "-1", "+1", "65536", "1x", " 1", "1 ", "655350"}) {
    EXPECT_FALSE(parse_port(bad)) << bad;
  }
}

}  // namespace
}  // namespace envgate::routing
