// The gateway's own keys: that the documented file, the schema and the built-in defaults say the same, and
// the rules.
#include "gateway/settings.hpp"

#include <gmock/gmock.h>

#include <regex>

#include "gateway/load_settings.hpp"
#include "gateway/settings_checks.hpp"
#include "tests/unit/temp_dir.hpp"

namespace envgate::gateway {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using namespace std::chrono_literals;

std::string documented() {
  return (std::filesystem::path(ENVGATE_SOURCE_DIR) / "conf/envgate.yaml").lexically_normal().string();
}

// conf/envgate.yaml with every key that stands in it as "#key: value" made a key that is set.
std::string every_key_set() {
  return std::regex_replace(test::read_file(documented()), std::regex("(^|\n)( *)#([^ \n])"), "$1$2$3");
}

std::vector<std::string> errors(const CommandLine& line, const settings::Texts& variables = {}) {
  std::vector<std::string> out;
  const auto loaded = load_gateway_settings(line, variables);
  if (!loaded)
    for (const auto& error : loaded.error()) out.push_back(error.to_string());
  return out;
}

std::vector<std::string> errors_of(std::vector<std::string> sets) {
  CommandLine line;
  line.sets = std::move(sets);
  return errors(line);
}

SnapshotPtr good(const CommandLine& line, const settings::Texts& variables = {}) {
  auto loaded = load_gateway_settings(line, variables);
  if (!loaded) throw std::runtime_error(settings::to_text("envgate", loaded.error()));
  return *loaded;
}

GatewaySettings with(std::vector<std::string> sets) {
  CommandLine line;
  line.sets = std::move(sets);
  return good(line)->values;
}

TEST(DocumentedSettings, TheFileIsGoodAsItStandsAndSetsNothing) {
  CommandLine line;
  line.config = documented();
  const auto snapshot = good(line);
  for (const settings::Origin& origin : snapshot->origins) EXPECT_EQ(origin.layer, settings::Layer::defaults);
}

TEST(DocumentedSettings, EveryKeyIsInTheFileWithItsBuiltInDefault) {
  const test::TempDir dir;
  CommandLine line;
  line.config = dir.write("all.yaml", every_key_set());
  const auto snapshot = good(line);
  const auto& keys = gateway_schema().table().keys();
  for (std::size_t i = 0; i < keys.size(); ++i)
    EXPECT_EQ(snapshot->origins[i].layer, settings::Layer::global_file)
        << keys[i].name << " is not in conf/envgate.yaml";
  const settings::Changes changes = settings::changes(gateway_schema(), GatewaySettings(), snapshot->values);
  for (const auto* list : {&changes.live, &changes.restart})
    for (const settings::Change& change : *list)
      ADD_FAILURE() << "built in, and in the file: " << to_line(change);
}

TEST(DocumentedSettings, TheFileMarksExactlyTheKeysThatNeedARestart) {
  std::istringstream lines(test::read_file(documented()));
  std::vector<std::string> sections;
  bool marked = false;
  std::size_t seen = 0;
  static const std::regex name("^( *)(#?)([a-z0-9_]+):(.*)$");
  for (std::string text; std::getline(lines, text);) {
    std::smatch match;
    if (std::regex_match(text, match, name)) {
      sections.resize(match[1].length() / 2);
      sections.push_back(match[3]);
      if (sections[0] == "control") break;  // the control plane's, which has a test of its own
      if (match[2] != "#") continue;        // a section
      std::string key;
      for (const std::string& part : sections) key += (key.empty() ? "" : ".") + part;
      const auto index = gateway_schema().table().find(key);
      ASSERT_NE(index, settings::KeyTable::npos) << key;
      EXPECT_EQ(marked, gateway_schema().table().keys()[index].apply == settings::Apply::restart) << key;
      marked = false;
      ++seen;
    } else if (text.find_first_not_of(' ') == std::string::npos) {
      marked = false;
    } else if (text.find("[restart]") != std::string::npos) {
      marked = true;
    }
  }
  EXPECT_EQ(seen, gateway_schema().table().keys().size());
}

TEST(GatewaySettings, DefaultsThatOthersRelyOn) {
  const GatewaySettings s;
  EXPECT_EQ(s.domain, "localhost");
  EXPECT_EQ(s.routes.source, RouteSource::control);
  EXPECT_EQ(s.routes.control.socket, "/run/envgate/control.sock");
  EXPECT_EQ(s.routes.on_change, OnRouteChange::keep);
  EXPECT_EQ(s.ssh.port_range, (PortRange{50000, 59999}));
  EXPECT_EQ(s.timeouts.handshake, 10s);
  EXPECT_EQ(s.timeouts.idle, 75s);
  EXPECT_FALSE(s.https.bind);
  EXPECT_TRUE(any_contains(s.routes.allowed_targets, IpAddress::parse("172.17.0.50").value()));
  for (const char* refused : {"127.0.0.1", "169.254.169.254", "8.8.8.8", "::1", "fe80::1"})
    EXPECT_FALSE(any_contains(s.routes.allowed_targets, IpAddress::parse(refused).value())) << refused;
}

TEST(GatewaySettings, EveryKeyExplainsItself) {
  const auto all = settings::explain(gateway_schema(), *good({}), "").value();
  EXPECT_EQ(all.size(), gateway_schema().table().keys().size());
  for (const settings::Explained& key : all) {
    EXPECT_EQ(key.value, key.default_value) << key.key;
    EXPECT_TRUE(key.description.ends_with('.')) << key.key;
    EXPECT_FALSE(key.expects.empty()) << key.key;
    EXPECT_TRUE(key.variable.starts_with("ENVGATE_")) << key.key;
  }
}

// What explain shows as a value can be given back with --set.
TEST(GatewaySettings, ExplainedValuesAreReadBack) {
  const test::TempDir dir;
  std::string yaml;
  const auto all = settings::explain(gateway_schema(), *good({}), "").value();
  for (const settings::Explained& key : all) yaml += key.key + ": " + key.value + "\n";
  CommandLine line;
  line.config = dir.write("dump.yaml", yaml);
  const settings::Changes changes =
      settings::changes(gateway_schema(), GatewaySettings(), good(line)->values);
  EXPECT_THAT(changes.live, IsEmpty());
  EXPECT_THAT(changes.restart, IsEmpty());
}

TEST(GatewaySettings, KeysReachTheirMembers) {
  const GatewaySettings s =
      with({"domain=x-gpu.com", "routes.source=redis", "routes.redis.url=redis://:pw@10.0.0.9:6380/3",
            "routes.control.socket=/run/other.sock",
            "routes.max_stale=0", "routes.on_change=close", "ssh.bind=[::]", "ssh.port_range=40000-40100",
            "https.bind=*:8443", "https.certificates=[{certificate: c.pem, key: k.pem}]",
            "https.min_version=1.3", "private.key_file=k", "private.cookie_lifetime=1d",
            "http.bind=127.0.0.1:8080", "http.default_ports=8888",
            "proxy_protocol.trusted=10.0.0.0/8", "limits.connections=0", "log.level=debug",
            "timeouts.tunnel_idle=1h", "metrics.bind=", "admin.socket="});
  EXPECT_EQ(s.domain, "x-gpu.com");
  EXPECT_EQ(s.routes.source, RouteSource::redis);
  EXPECT_EQ(s.routes.control.socket, "/run/other.sock");
  EXPECT_EQ(s.routes.redis.url, "redis://:pw@10.0.0.9:6380/3");
  EXPECT_EQ(s.routes.max_stale, 0ms);
  EXPECT_EQ(s.routes.on_change, OnRouteChange::close);
  EXPECT_EQ(*s.ssh.bind, IpAddress());
  EXPECT_EQ(s.ssh.port_range.last, 40100);
  EXPECT_EQ(*s.https.bind, (Endpoint{IpAddress(), 8443}));
  EXPECT_THAT(s.https.certificates, ElementsAre(CertificateFiles{"c.pem", "k.pem"}));
  EXPECT_EQ(s.https.min_version, TlsVersion::tls13);
  EXPECT_EQ(s.private_ports.key_file, "k");
  EXPECT_EQ(s.private_ports.cookie_lifetime, 24h);
  EXPECT_THAT(s.http.default_ports, ElementsAre(8888));
  EXPECT_EQ(s.proxy_protocol.trusted.size(), 1u);
  EXPECT_EQ(s.limits.connections, 0u);
  EXPECT_EQ(s.log.level, log::Level::debug);
  EXPECT_EQ(s.timeouts.tunnel_idle, 1h);
  EXPECT_FALSE(s.metrics.bind);
  EXPECT_EQ(s.admin.socket, "");
}

TEST(GatewaySettings, VariablesAndTheEnvironmentsFile) {
  const test::TempDir dir;
  CommandLine line;
  line.config = dir.write("gw.yaml", "domain: a.example\n");
  dir.write("gw.prod.yaml", "domain: b.example\nworkers: 3\n");
  EXPECT_EQ(good(line)->values.workers, 0u);
  const auto snapshot = good(line, {{"ENVGATE_ENVIRONMENT", "prod"},
                                    {"ENVGATE_ROUTES_MAX_STALE", "5m"},
                                    {"ENVGATE_CONTROL_DATABASE", "elsewhere"}});
  EXPECT_EQ(snapshot->values.domain, "b.example");
  EXPECT_EQ(snapshot->values.workers, 3u);
  EXPECT_EQ(snapshot->values.routes.max_stale, 5min);
  line.environment = "other";  // the option wins over the variable
  EXPECT_THAT(errors(line, {{"ENVGATE_ENVIRONMENT", "prod"}}),
              ElementsAre(HasSubstr("gw.other.yaml: cannot open")));
}

TEST(GatewaySettings, RulesBetweenKeys) {
  EXPECT_THAT(errors_of({"https.bind=0.0.0.0:443"}),
              ElementsAre(HasSubstr("https.certificates: is empty, but https.bind")));
  const std::string certificates = "https.certificates=[{certificate: c, key: k}]";
  EXPECT_THAT(errors_of({certificates}),
              ElementsAre(HasSubstr("https.certificates: is set, but https.bind is empty")));
  EXPECT_THAT(errors_of({"http.bind=0.0.0.0:80"}), ElementsAre(HasSubstr("http.bind: redirects to https")));
  EXPECT_THAT(errors_of({"https.bind=:443", "http.bind=127.0.0.1:443", certificates}),
              ElementsAre(HasSubstr("http.bind: takes the same port as https.bind ([::]:443)")));
  EXPECT_THAT(errors_of({"https.bind=127.0.0.1:443", "http.bind=127.0.0.2:443", certificates}), IsEmpty());
  EXPECT_THAT(errors_of({"https.bind=127.0.0.1:0", "http.bind=127.0.0.1:0", certificates}), IsEmpty());
  EXPECT_THAT(errors_of({"metrics.bind=127.0.0.1:50001"}),
              ElementsAre(HasSubstr("port 50001 lies inside ssh.port_range")));
  EXPECT_THAT(errors_of({"metrics.bind=127.0.0.1:50001", "ssh.bind=10.0.0.1"}), IsEmpty());
  EXPECT_THAT(errors_of({"metrics.bind=127.0.0.1:50001", "ssh.bind="}), IsEmpty());
  EXPECT_THAT(errors_of({"audit.records.directory=/r", "audit.records.key_file=/r/key"}),
              ElementsAre(HasSubstr("audit.records.key_file: lies in audit.records.directory")));
  EXPECT_THAT(errors_of({"audit.records.directory=/r", "audit.records.key_file=/record.key"}), IsEmpty());
  EXPECT_THAT(errors_of({"routes.file=/a", "routes.snapshot=/a"}),
              ElementsAre(HasSubstr("would overwrite it")));
  EXPECT_THAT(errors_of({"http.max_head_bytes=4KiB"}),
              ElementsAre(HasSubstr("is more than http.max_head_bytes (4KiB)")));
  EXPECT_THAT(errors_of({"http.default_ports=80,81,80"}), ElementsAre(HasSubstr("names port 80 twice")));
}

TEST(GatewaySettings, Misspellings) {
  EXPECT_THAT(errors_of({"routing.max_stale=1s"}),
              ElementsAre(HasSubstr("did you mean 'routes.max_stale'?")));
  EXPECT_THAT(errors_of({"https.certificate=x"}),
              ElementsAre(HasSubstr("did you mean 'https.certificates'?")));
  EXPECT_THAT(errors_of({"log.level=verbose"}),
              ElementsAre("--set log.level=verbose: 'verbose' is not one of debug, info, warn or error"));
  EXPECT_THAT(
      errors({}, {{"ENVGATE_SSH_BNID", "x"}}),
      ElementsAre("ENVGATE_SSH_BNID: no setting has this variable; did you mean 'ENVGATE_SSH_BIND'?"));
  EXPECT_THAT(errors_of({"ssh.bind=0.0.0.0:2222"}),
              ElementsAre(HasSubstr("has a port; write only the address")));
}

TEST(GatewaySettings, AReloadThatTakesTheCertificatesAwayIsRefused) {
  const test::TempDir dir;
  CommandLine line;
  line.config =
      dir.write("gw.yaml", "https: {bind: '127.0.0.1:443', certificates: [{certificate: a, key: b}]}\n");
  const auto running = good(line);
  dir.write("gw.yaml", "domain: localhost\n");
  const auto reloaded = reload_gateway_settings(line, {}, {}, *running);
  ASSERT_FALSE(reloaded);
  EXPECT_THAT(reloaded.error()[0].to_string(),
              HasSubstr("https.certificates: is empty, but https.bind is 127.0.0.1:443"));

  dir.write("gw.yaml", "https: {bind: '127.0.0.1:444', certificates: [{certificate: c, key: d}]}\n");
  const auto moved = reload_gateway_settings(line, {}, {{"log.level", "debug"}}, *running);
  ASSERT_TRUE(moved);
  const GatewaySettingsPtr values = values_of(moved->settings);
  EXPECT_EQ(values->https.bind->port, 443);
  EXPECT_EQ(values->https.certificates[0].certificate, "c");
  EXPECT_EQ(values->log.level, log::Level::debug);
  ASSERT_EQ(moved->changes.restart.size(), 1u);
  EXPECT_EQ(moved->changes.restart[0].key, "https.bind");
  EXPECT_EQ(moved->changes.live.size(), 2u);
}

TEST(SettingsChecks, Domain) {
  for (const char* name : {"localhost", "x-gpu.com", "a.b.c.example", "3d.example", "xn--55qx5d.cn"})
    EXPECT_EQ(check_domain(name), "") << name;
  for (const char* name : {"", ".", "x-gpu.com.", ".x-gpu.com", "X-GPU.com", "-a.com", "a-.com", "a..b",
                           "a_b.com", "*.a.com", "127.0.0.1", "a.com:443", "網.cn"})
    EXPECT_NE(check_domain(name), "") << name;
  EXPECT_NE(check_domain(std::string(64, 'a') + ".com"), "");
  EXPECT_NE(check_domain(std::string(60, 'a') + "." + std::string(60, 'b') + "." + std::string(60, 'c') +
                         "." + std::string(60, 'd')),
            "");
}

TEST(SettingsChecks, Account) {
  for (const char* name : {"", "envgate", "_envgate", "www-data", "u1"})
    EXPECT_EQ(check_account(name), "") << name;
  for (const char* name : {"Root", "1u", "a b", "-u", "a:b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"})
    EXPECT_NE(check_account(name), "") << name;
}

TEST(SettingsChecks, Socket) {
  EXPECT_EQ(check_socket(std::string(107, 'x')), "");
  EXPECT_THAT(check_socket(std::string(108, 'x')), HasSubstr("107 bytes"));
}

TEST(SettingsChecks, RedisUrl) {
  for (const char* url : {"redis://localhost", "redis://127.0.0.1:6379/0", "redis://:pw@h:1/15",
                          "redis://user:p@w@h:1", "redis://[::1]:6379/0", "redis://[::1]",
                          "unix:///run/redis.sock?db=2", "unix:///run/redis/redis.sock"})
    EXPECT_EQ(check_redis_url(url), "") << url;
  for (const char* url : {"", "localhost:6379", "http://h", "rediss://h:1", "redis://", "redis://:pw@",
                          "redis://h:0", "redis://h:65536", "redis://h:x", "redis://h/x", "redis://h /0",
                          "redis://::1:6379", "unix://", "unix://relative", "redis://h:1/0/1"})
    EXPECT_NE(check_redis_url(url), "") << url;
  EXPECT_THAT(check_redis_url("rediss://:hunter2@h"),
              testing::AllOf(HasSubstr("TLS"), testing::Not(HasSubstr("hunter2"))));
}

}  // namespace
}  // namespace envgate::gateway
