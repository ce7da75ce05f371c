// The engine on a small schema of its own: layers, errors, explain, changes and reload.
#include "base/settings.hpp"

#include <gmock/gmock.h>

#include "tests/unit/temp_dir.hpp"

namespace envgate::settings {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using namespace std::chrono_literals;

struct Pair {
  std::string left, right;
  bool operator==(const Pair&) const = default;
};

struct Small {
  unsigned workers = 2;
  struct Net {
    std::optional<Endpoint> bind;
    std::vector<Cidr> trusted;
    std::vector<Pair> pairs;
    Duration max_idle = 10s;
    struct Store {
      std::string url = "redis://localhost:1/0";
    } store;
  } net;
  bool loud = false;
};

Schema<Small> make_schema() {
  Schema<Small> schema({"T_", {"T_OTHER", "T_TEST_*"}});
  schema.root()
      .key("workers", &Small::workers, integer(1u, 64u), Apply::restart, "Threads.")
      .key("loud", &Small::loud, boolean(), Apply::live, "Whether to shout.");
  auto net = schema.root().section("net", &Small::net);
  net.key("bind", &Small::Net::bind, optional(endpoint()), Apply::restart, "Where to listen.")
      .key("trusted", &Small::Net::trusted, list_of(cidr()), Apply::live, "Friends.")
      .key("pairs", &Small::Net::pairs,
           list_of(record<Pair>({{"left", &Pair::left}, {"right", &Pair::right}})), Apply::live, "Pairs.")
      .key("max_idle", &Small::Net::max_idle, duration(1s, 1h, true), Apply::live, "Patience.");
  net.section("store", &Small::Net::store)
      .key("url", &Small::Net::Store::url,
           secret_url(
               "a URL",
               [](const std::string& url) { return url.starts_with("redis://") ? "" : "is no redis URL"; }),
           Apply::live, "The store.");
  schema.check([](const Small& s, const Complain& complain) {
    if (s.loud && s.workers > 32) complain({"loud", "workers"}, "too loud for " + std::to_string(s.workers));
  });
  return schema;
}

class Settings : public testing::Test {
 protected:
  std::vector<std::string> errors(const Sources& sources) {
    const auto loaded = load(schema_, sources);
    std::vector<std::string> out;
    if (!loaded)
      for (const SettingError& error : loaded.error()) out.push_back(error.to_string());
    return out;
  }
  std::vector<std::string> errors_of(const std::string& yaml) {
    Sources sources;
    sources.file = dir_.write("s.yaml", yaml);
    auto out = errors(sources);
    for (std::string& line : out)
      if (line.starts_with(sources.file)) line = line.substr(sources.file.size() - 6);
    return out;
  }
  SnapshotPtr<Small> good(const Sources& sources) {
    auto loaded = load(schema_, sources);
    if (loaded) return *loaded;
    ADD_FAILURE() << loaded.error()[0].to_string();
    return std::make_shared<const Snapshot<Small>>(
        Snapshot<Small>{{}, std::vector<Origin>(schema_.table().keys().size())});
  }
  Explained explained(const Snapshot<Small>& snapshot, const std::string& key) {
    return explain(schema_, snapshot, key).value().at(0);
  }

  const Schema<Small> schema_ = make_schema();
  const test::TempDir dir_;
};

TEST_F(Settings, WithoutSourcesEveryKeyHasItsDefault) {
  const auto snapshot = good({});
  EXPECT_EQ(snapshot->values.workers, 2u);
  for (const Origin& origin : snapshot->origins) EXPECT_EQ(origin.layer, Layer::defaults);
}

TEST_F(Settings, EachLayerWinsOverTheOneBefore) {
  Sources sources;
  const auto expect = [&](unsigned workers, Layer layer, const std::string& place) {
    const auto snapshot = good(sources);
    EXPECT_EQ(snapshot->values.workers, workers);
    EXPECT_EQ(snapshot->origins[0].layer, layer);
    EXPECT_EQ(snapshot->origins[0].place, place);
  };
  sources.file = dir_.write("s.yaml", "loud: false\nworkers: 3\n");
  expect(3, Layer::global_file, sources.file + ":2");
  const std::string prod = dir_.write("s.prod.yaml", "workers: 4\n");
  sources.environment = "prod";
  expect(4, Layer::environment_file, prod + ":1");
  sources.variables["T_WORKERS"] = "5";
  expect(5, Layer::variable, "T_WORKERS");
  sources.sets = {"workers=6", "workers=7"};
  expect(7, Layer::command_line, "--set workers=7");
}

TEST_F(Settings, TheApiWinsOverAllForLiveKeysOnly) {
  Sources sources;
  sources.sets = {"net.max_idle=20s"};
  sources.api = {{"net.max_idle", "30s"}};
  EXPECT_EQ(good(sources)->values.net.max_idle, 30s);
  sources.api = {{"workers", "3"}, {"nothing", "1"}, {"net.max_idle", "x"}};
  EXPECT_THAT(errors(sources),
              ElementsAre(HasSubstr("API: net.max_idle: 'x' is not a duration"), "API: nothing: unknown key",
                          HasSubstr("API: workers: needs a restart")));
}

TEST_F(Settings, LayersMergeKeyByKey) {
  Sources sources;
  sources.file = dir_.write("s.yaml", "net:\n  bind: 127.0.0.1:80\n  max_idle: 5s\n");
  sources.environment = "x";
  dir_.write("s.x.yaml", "net:\n  max_idle: 6s\n");
  const auto snapshot = good(sources);
  EXPECT_EQ(snapshot->values.net.bind->port, 80);
  EXPECT_EQ(snapshot->values.net.max_idle, 6s);
}

TEST_F(Settings, ALaterListReplacesAnEarlierOne) {
  Sources sources;
  sources.file = dir_.write("s.yaml", "net: {trusted: [10.0.0.0/8, 11.0.0.0/8]}\n");
  sources.variables["T_NET_TRUSTED"] = "12.0.0.0/8";
  EXPECT_THAT(good(sources)->values.net.trusted, ElementsAre(Cidr::parse("12.0.0.0/8").value()));
}

TEST_F(Settings, ListsAsText) {
  const auto trusted = [&](const std::string& text) {
    Sources sources;
    sources.sets = {"net.trusted=" + text};
    return good(sources)->values.net.trusted.size();
  };
  EXPECT_EQ(trusted(""), 0u);
  EXPECT_EQ(trusted("[]"), 0u);
  EXPECT_EQ(trusted("10.0.0.0/8"), 1u);
  EXPECT_EQ(trusted("10.0.0.0/8 ,  fd00::/8"), 2u);
  EXPECT_EQ(trusted("[10.0.0.0/8, \"fd00::/8\"]"), 2u);
  Sources sources;
  sources.sets = {"net.trusted=10.0.0.0/8,,x", "net.trusted=[1"};
  const auto wrong = errors(sources);
  EXPECT_THAT(wrong,
              ElementsAre(HasSubstr("net.trusted[1]: '' is not"), HasSubstr("net.trusted[2]: 'x' is not"),
                          HasSubstr("--set net.trusted=[1: ")));
}

TEST_F(Settings, MapsInLists) {
  Sources sources;
  sources.file =
      dir_.write("s.yaml", "net:\n  pairs:\n    - {left: a, right: b}\n    - left: c\n      right: d\n");
  EXPECT_THAT(good(sources)->values.net.pairs, ElementsAre(Pair{"a", "b"}, Pair{"c", "d"}));
  sources.variables["T_NET_PAIRS"] = "[{left: e, right: f}]";
  EXPECT_THAT(good(sources)->values.net.pairs, ElementsAre(Pair{"e", "f"}));
}

TEST_F(Settings, EveryErrorAtOnceWithItsPlace) {
  const auto wrong = errors_of(
      "workers: many\n"                     // 1
      "lound: true\n"                       // 2
      "net:\n"                              // 3
      "  bind: localhost:80\n"              // 4
      "  trusted: 10.0.0.0/8\n"             // 5
      "  max_idle: [1s]\n"                  // 6
      "  pairs:\n"                          // 7
      "    - {left: a}\n"                   // 8
      "    - {left: a, right: b, up: c}\n"  // 9
      "    - left: a\n"                     // 10
      "      left: b\n"                     // 11
      "      right: {}\n"                   // 12
      "    - x\n"                           // 13
      "  store: here\n"                     // 14
      "loud:\n");                           // 15
  EXPECT_THAT(
      wrong,
      ElementsAre(
          "s.yaml:1: workers: 'many' is not a whole number from 1 to 64",
          "s.yaml:2: lound: unknown key; did you mean 'loud'?",
          "s.yaml:4: net.bind: 'localhost' is not an IP address",
          HasSubstr("s.yaml:5: net.trusted: expected a list [...], each a network"),
          HasSubstr("s.yaml:6: net.max_idle: expected a duration from 1s to 1h, or 0 for none; found a list"),
          HasSubstr("s.yaml:8: net.pairs[0].right: missing"),
          HasSubstr("s.yaml:9: net.pairs[1].up: unknown; expected {left: ..., right: ...}"),
          "s.yaml:11: net.pairs[2].left: given twice",
          "s.yaml:12: net.pairs[2].right: expected a text; found a map",
          HasSubstr("s.yaml:13: net.pairs[3]: expected {left: ..., right: ...}; found a single value"),
          HasSubstr("s.yaml:14: net.store: is a section"),
          "s.yaml:15: loud: expected true or false; found nothing"));
}

TEST_F(Settings, AnErrorInALowerLayerIsNotHiddenByAHigherOne) {
  Sources sources;
  sources.file = dir_.write("s.yaml", "workers: 0\n");
  sources.sets = {"workers=3"};
  EXPECT_THAT(errors(sources),
              ElementsAre(HasSubstr("s.yaml:1: workers: '0' is out of range: expected 1 to 64")));
}

TEST_F(Settings, DuplicateKeysAndSections) {
  EXPECT_THAT(errors_of("workers: 1\nloud: true\nworkers: 2\n"),
              ElementsAre("s.yaml:3: workers: given twice; first on line 1"));
  EXPECT_THAT(errors_of("net: {max_idle: 1s}\nnet: {max_idle: 2s}\n"),
              ElementsAre("s.yaml:2: net: given twice; first on line 1"));
  EXPECT_THAT(errors_of("net: {max_idle: 1s}\nnet.max_idle: 2s\n"),
              ElementsAre("s.yaml:2: net.max_idle: given twice; first on line 1"));
}

TEST_F(Settings, DottedKeysAndEmptySectionsAreFine) {
  Sources sources;
  sources.file = dir_.write("s.yaml", "net.max_idle: 7s\nnet:\n");
  EXPECT_EQ(good(sources)->values.net.max_idle, 7s);
}

TEST_F(Settings, SuggestsTheNearestKey) {
  EXPECT_THAT(errors_of("net: {max_idel: 1s}\n"), ElementsAre(HasSubstr("did you mean 'net.max_idle'?")));
  EXPECT_THAT(errors_of("nte: {max_idle: 1s}\n"), ElementsAre(HasSubstr("did you mean 'net'?")));
  EXPECT_THAT(errors_of("max_idle: 1s\n"), ElementsAre(HasSubstr("did you mean 'net.max_idle'?")));
  EXPECT_THAT(errors_of("completely_else: 1s\n"), ElementsAre("s.yaml:1: completely_else: unknown key"));
  EXPECT_THAT(errors_of(std::string(1000, 'x') + ": 1\n"), ElementsAre(HasSubstr("unknown key")));
}

TEST_F(Settings, VariablesAreResolvedAgainstTheKnownKeys) {
  Sources sources;
  sources.variables = {{"T_NET_MAX_IDLE", "9s"},
                       {"T_NET_STORE_URL", "redis://h:1/2"},
                       {"HOME", "/"},
                       {"T_OTHER", "x"},
                       {"T_TEST_THING", "y"}};
  const auto snapshot = good(sources);
  EXPECT_EQ(snapshot->values.net.max_idle, 9s);
  EXPECT_EQ(snapshot->values.net.store.url, "redis://h:1/2");
  sources.variables = {{"T_NET_MAX_IDEL", "9s"}, {"T_OTHERS", "x"}, {"T_WORKERS", "x"}};
  EXPECT_THAT(
      errors(sources),
      ElementsAre("T_NET_MAX_IDEL: no setting has this variable; did you mean 'T_NET_MAX_IDLE'?",
                  "T_OTHERS: no setting has this variable", HasSubstr("T_WORKERS: workers: 'x' is not")));
}

TEST_F(Settings, VariablesThatKubernetesSetsArePassedOver) {
  Sources sources;
  sources.variables = {{"T_PORT", "tcp://10.0.0.1:443"},
                       {"T_SERVICE_HOST", "10.0.0.1"},
                       {"T_SERVICE_PORT", "443"},
                       {"T_SERVICE_PORT_HTTPS", "443"},
                       {"T_PORT_443_TCP", "tcp://10.0.0.1"},
                       {"T_PORT_443_TCP_ADDR", "10.0.0.1"},
                       {"T_ADMIN_SERVICE_HOST", "10.0.0.2"}};
  EXPECT_THAT(errors(sources), IsEmpty());
  sources.variables = {{"T_PORT", "443"}};
  EXPECT_THAT(errors(sources), ElementsAre(HasSubstr("T_PORT: no setting")));
}

TEST_F(Settings, SetsThatAreWrong) {
  Sources sources;
  sources.sets = {"workers", "wrkers=3", "net=4", "workers=99"};
  EXPECT_THAT(errors(sources), ElementsAre("--set workers: expected KEY=VALUE",
                                           "--set wrkers: unknown key; did you mean 'workers'?",
                                           HasSubstr("--set net: is a section"),
                                           "--set workers=99: '99' is out of range: expected 1 to 64"));
}

TEST_F(Settings, FilesThatCannotBeRead) {
  Sources sources;
  sources.file = dir_.path("absent.yaml");
  sources.environment = "prod";
  EXPECT_THAT(errors(sources),
              ElementsAre(sources.file + ": cannot open: No such file or directory",
                          dir_.path("absent.prod.yaml") + ": cannot open: No such file or directory"));
  sources.environment = "../prod";
  EXPECT_THAT(errors(sources), testing::Contains(HasSubstr("'../prod' is not a name")));
  sources.file.clear();
  sources.environment = "prod";
  EXPECT_THAT(errors(sources), ElementsAre(HasSubstr("needs a configuration file")));
  EXPECT_THAT(errors_of("- a\n- b\n"), ElementsAre(HasSubstr("s.yaml:1: expected keys and values")));
}

TEST_F(Settings, ErrorsAreBounded) {
  std::string yaml;
  for (int i = 0; i < 5000; ++i) yaml += "unknown" + std::to_string(i) + ": 1\n";
  const auto wrong = errors_of(yaml);
  EXPECT_EQ(wrong.size(), 201u);
  EXPECT_THAT(wrong.back(), HasSubstr("and more"));
}

TEST_F(Settings, RulesBetweenKeysNameTheKeyAndThePlace) {
  EXPECT_THAT(errors_of("workers: 40\nloud: true\n"), ElementsAre("s.yaml:2: loud: too loud for 40"));
  Sources sources;
  sources.sets = {"loud=true", "workers=64"};
  EXPECT_THAT(errors(sources), ElementsAre("--set loud=true: loud: too loud for 64"));
}

TEST_F(Settings, ARuleIsSilentAboutAKeyThatCouldNotBeRead) {
  Sources sources;
  sources.sets = {"workers=40", "workers=x", "loud=true"};
  EXPECT_THAT(errors(sources), ElementsAre(HasSubstr("--set workers=x")));
}

TEST_F(Settings, EnvironmentFileStandsBesideTheGlobalOne) {
  EXPECT_EQ(environment_file("/etc/envgate/envgate.yaml", "prod"), "/etc/envgate/envgate.prod.yaml");
  EXPECT_EQ(environment_file("envgate.yml", "prod"), "envgate.prod.yml");
  EXPECT_EQ(environment_file("/etc/envgate.d/main", "prod"), "/etc/envgate.d/main.prod.yaml");
  EXPECT_EQ(environment_file("dir/.hidden", "prod"), "dir/.hidden.prod.yaml");
}

TEST_F(Settings, ExplainSaysValueLayerPlaceAndDefault) {
  Sources sources;
  sources.file = dir_.write("s.yaml", "\nnet:\n  max_idle: 90s\n");
  const auto snapshot = good(sources);
  const Explained key = explained(*snapshot, "net.max_idle");
  EXPECT_EQ(key.value, "1m30s");
  EXPECT_EQ(key.default_value, "10s");
  EXPECT_EQ(key.variable, "T_NET_MAX_IDLE");
  EXPECT_EQ(key.apply, Apply::live);
  EXPECT_EQ(key.origin.place, sources.file + ":3");
  EXPECT_EQ(to_line(key), "net.max_idle = 1m30s  # global file, " + sources.file + ":3\n");
  EXPECT_THAT(to_text(key), HasSubstr("Patience."));
  EXPECT_EQ(to_line(explained(*snapshot, "workers")), "workers = 2  # default\n");
}

TEST_F(Settings, ExplainTakesAKeyASectionOrNothing) {
  const auto snapshot = good({});
  EXPECT_EQ(explain(schema_, *snapshot, "")->size(), schema_.table().keys().size());
  EXPECT_EQ(explain(schema_, *snapshot, "net")->size(), 5u);
  EXPECT_EQ(explain(schema_, *snapshot, "net.store")->size(), 1u);
  EXPECT_THAT(explain(schema_, *snapshot, "workrs").error().message, HasSubstr("did you mean 'workers'?"));
  EXPECT_FALSE(explain(schema_, *snapshot, "ne"));
}

TEST_F(Settings, ASecretIsNeverRepeated) {
  Sources sources;
  sources.sets = {"net.store.url=redis://user:hunter2@h:1/0"};
  const auto snapshot = good(sources);
  EXPECT_EQ(snapshot->values.net.store.url, "redis://user:hunter2@h:1/0");
  const Explained key = explained(*snapshot, "net.store.url");
  EXPECT_EQ(key.value, "redis://user:***@h:1/0");
  EXPECT_EQ(key.origin.place, "--set net.store.url=***");
  EXPECT_THAT(to_text(key), testing::Not(HasSubstr("hunter2")));

  Small other = snapshot->values;
  other.net.store.url = "redis://user:hunter3@h:1/0";
  const Changes changed = changes(schema_, snapshot->values, other);
  ASSERT_EQ(changed.live.size(), 1u);
  EXPECT_THAT(to_line(changed.live[0]), testing::Not(HasSubstr("hunter")));
  EXPECT_THAT(to_line(changed.live[0]), HasSubstr("another secret"));

  sources.sets = {"net.store.url=http://user:hunter2@h", "net.store.urll=hunter2"};
  for (const std::string& error : errors(sources)) EXPECT_THAT(error, testing::Not(HasSubstr("hunter2")));
}

TEST_F(Settings, ReloadTakesLiveKeysAndNamesTheOthers) {
  Sources sources;
  sources.file = dir_.write("s.yaml", "workers: 4\nnet: {max_idle: 5s}\n");
  const auto running = good(sources);
  dir_.write("s.yaml", "workers: 8\nnet: {max_idle: 6s}\n");
  const auto reloaded = reload(schema_, sources, *running);
  ASSERT_TRUE(reloaded);
  ASSERT_EQ(reloaded->changes.live.size(), 1u);
  EXPECT_EQ(to_line(reloaded->changes.live[0]), "net.max_idle: 5s -> 6s");
  ASSERT_EQ(reloaded->changes.restart.size(), 1u);
  EXPECT_EQ(to_line(reloaded->changes.restart[0]), "workers: 4 -> 8");
  EXPECT_EQ(reloaded->settings->values.net.max_idle, 6s);
  EXPECT_EQ(reloaded->settings->values.workers, 4u) << "it runs with 4 until a restart";

  const auto again = reload(schema_, sources, *reloaded->settings);
  ASSERT_TRUE(again);
  EXPECT_THAT(again->changes.live, IsEmpty());
  EXPECT_EQ(again->changes.restart.size(), 1u) << "still waiting for the restart";
}

TEST_F(Settings, ABadFileLeavesTheRunningSnapshotAlone) {
  Sources sources;
  sources.file = dir_.write("s.yaml", "net: {max_idle: 5s}\n");
  const auto running = good(sources);
  dir_.write("s.yaml", "net: {max_idle: 5 s}\nloud: maybe\n");
  const auto reloaded = reload(schema_, sources, *running);
  ASSERT_FALSE(reloaded);
  EXPECT_EQ(reloaded.error().size(), 2u);
  EXPECT_EQ(running->values.net.max_idle, 5s);
}

TEST_F(Settings, AReloadThatDisagreesWithWhatStillRunsIsRefused) {
  Sources sources;
  sources.sets = {"workers=40"};
  const auto running = good(sources);
  sources.sets = {"workers=4", "loud=true"};  // good by itself, but 40 workers run on
  const auto reloaded = reload(schema_, sources, *running);
  ASSERT_FALSE(reloaded);
  EXPECT_THAT(reloaded.error()[0].to_string(),
              HasSubstr("too loud for 40 (together with what runs until a restart)"));
}

using SchemaDeathTest = Settings;

TEST_F(SchemaDeathTest, KeysAndTheirVariablesAreUnique) {
  struct Two {
    unsigned a = 0, b = 0;
  };
  const auto declare = [](const char* first, const char* second) {
    Schema<Two> schema({"T_", {}});
    schema.root()
        .key(first, &Two::a, integer(0u), Apply::live, "")
        .key(second, &Two::b, integer(0u), Apply::live, "");
  };
  declare("a", "b");
  EXPECT_DEATH(declare("a", "a"), "CHECK");
  EXPECT_DEATH(declare("a.b", "a_b"), "CHECK");
}

}  // namespace
}  // namespace envgate::settings
