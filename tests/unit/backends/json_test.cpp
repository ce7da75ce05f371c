// What we say to the engine, and what we make of what it says.
#include <gtest/gtest.h>

#include <random>

#include "backends/docker/create_body.hpp"
#include "backends/docker/names.hpp"
#include "backends/docker/observe.hpp"
#include "fixtures.hpp"

namespace envgate::backends::docker {
namespace {

constexpr char kInspected[] = R"({
  "Id": "c0ffee", "Name": "/envgate-test-demo", "Image": "sha256:11",
  "Config": {"Labels": {"envgate.install": "test", "envgate.env": "demo", "envgate.generation": "7",
                        "envgate.owner": "alice", "envgate.image": "sha256:22"}},
  "State": {"Status": "running", "ExitCode": 0, "Error": "", "OOMKilled": false,
            "StartedAt": "2026-02-02T10:30:00.123456789Z"},
  "NetworkSettings": {"Networks": {"envgate-test.owner-alice": {"IPAddress": "172.18.0.2"},
                                   "other": {"IPAddress": "10.9.9.9"}},
    "Ports": {"22/tcp": [{"HostIp": "192.0.2.7", "HostPort": "32768"}, {"HostIp": "::", "HostPort": "32768"}],
              "53/udp": [{"HostIp": "192.0.2.7", "HostPort": "32769"}], "80/tcp": null}}})";

json inspected() { return *parse_json(kInspected); }

TEST(ParseEach, GivesTheObjectsOfAnArrayAlone) {
  std::vector<json> all;
  const auto take = [&](json&& element) { all.push_back(std::move(element)); };
  EXPECT_TRUE(parse_each(R"([{"a":[{"b":{}}],"c":{"d":1}}, 7, "x", [{"e":2}], {}])", take));
  EXPECT_EQ(all, (std::vector<json>{{{"a", {{{"b", json::object()}}}}, {"c", {{"d", 1}}}}, json::object()}));
  all.clear();
  EXPECT_TRUE(parse_each("[]", take));
  for (const char* wrong : {R"({"a":{}})", "null", "", "[", R"([{"a":1})", "[]x"})
    EXPECT_FALSE(parse_each(wrong, take)) << wrong;
  EXPECT_FALSE(parse_each(std::string(kMaxJsonDepth + 1, '[') + std::string(kMaxJsonDepth + 1, ']'), take));
}

TEST(CreateBody, GivesNoRightsAndSetsEveryLimit) {
  Wanted wanted = simple_spec();
  wanted.command = {"sh", "-c", "echo $HOME; `id`"};
  wanted.variables = {{"A", "b=c"}};
  wanted.ports = {{22, 0}};
  const json body = container_body(local_settings(), wanted, {"sha256:11", "sha256:22", {}, {}});
  EXPECT_EQ(body["Image"], "sha256:11");
  EXPECT_EQ(body["Cmd"], (json{"sh", "-c", "echo $HOME; `id`"}));
  EXPECT_EQ(body["Env"], json::array({"A=b=c"}));
  EXPECT_EQ(body["Labels"], (json{{"envgate.install", "test"},
                                  {"envgate.env", "demo"},
                                  {"envgate.owner", "alice"},
                                  {"envgate.generation", "1"},
                                  {"envgate.image", "sha256:22"}}));
  const json& host = body["HostConfig"];
  EXPECT_EQ(host["NanoCpus"], 500'000'000);
  EXPECT_EQ(host["Memory"], 64 << 20);
  EXPECT_EQ(host["MemorySwap"], 64 << 20);
  EXPECT_EQ(host["ShmSize"], 64 << 20);
  EXPECT_EQ(host["PidsLimit"], 4096);
  EXPECT_EQ(host["Privileged"], false);
  EXPECT_EQ(host["CapDrop"], json::array({"ALL"}));
  EXPECT_EQ(host["SecurityOpt"], json::array({"no-new-privileges"}));
  EXPECT_EQ(host["RestartPolicy"]["Name"], "no");
  EXPECT_EQ(host["NetworkMode"], "envgate-test.owner-alice");
  for (const char* never : {"PidMode", "IpcMode", "UTSMode", "UsernsMode", "Devices", "Binds",
                            "DeviceRequests", "PortBindings", "Sysctls", "CgroupParent", "Runtime"}) {
    EXPECT_FALSE(host.contains(never)) << never;
  }
  for (const json& capability : host["CapAdd"]) {
    for (const char* never :
         {"SYS_ADMIN", "NET_ADMIN", "NET_RAW", "MKNOD", "SYS_PTRACE", "SYS_MODULE", "ALL"}) {
      EXPECT_NE(capability, never);
    }
  }
}

TEST(CreateBody, MountsGpusAndPublishedPorts) {
  Wanted wanted = simple_spec();
  wanted.mounts = {{MountKind::volume, "data", "/data", false}, {MountKind::bind, "/srv/link", "/in", true}};
  wanted.ports = {{22, 2022}, {80, 0}};
  wanted.gpu = {2, "", GpuMode::shared};
  const Resolved resolved{"sha256:11", "sha256:22", {"", "/srv/real"}, {"3", "5"}};
  const json body = container_body(remote_settings(), wanted, resolved);
  const json& host = body["HostConfig"];
  EXPECT_EQ(host["Mounts"][0], (json{{"Type", "volume"},
                                     {"Source", "envgate-test-demo-data"},
                                     {"Target", "/data"},
                                     {"ReadOnly", false}}));
  EXPECT_EQ(host["Mounts"][1]["Source"], "/srv/real");
  EXPECT_EQ(host["Mounts"][1]["ReadOnly"], true);
  EXPECT_EQ(host["DeviceRequests"][0]["DeviceIDs"], (json{"3", "5"}));
  EXPECT_EQ(host["DeviceRequests"][0]["Capabilities"], json::array({json::array({"gpu"})}));
  EXPECT_EQ(host["PortBindings"]["22/tcp"][0], (json{{"HostIp", "192.0.2.7"}, {"HostPort", "2022"}}));
  EXPECT_EQ(host["PortBindings"]["80/tcp"][0]["HostPort"], "");
  const auto use = gpu_use_of(body["Labels"]);
  ASSERT_TRUE(use);
  EXPECT_EQ(use->ids, (std::vector<std::string>{"3", "5"}));
  EXPECT_TRUE(use->shared);
}

TEST(CreateBody, NoPasswordIsInIt) {
  Wanted wanted = simple_spec();
  wanted.login = Login{"root", Secret("hunter2hunter2"), {"ssh-ed25519 SECRETKEY"}};
  wanted.registry = RegistryLogin{"me", Secret("hunter3hunter3")};
  const std::string text = to_text(container_body(local_settings(), wanted, {}));
  EXPECT_EQ(text.find("hunter"), std::string::npos);
  EXPECT_EQ(text.find("SECRETKEY"), std::string::npos);
}

TEST(Observe, ARunningContainer) {
  const Observed seen = observed_of(local_settings(), demo(), inspected());
  EXPECT_EQ(seen.state, State::running);
  EXPECT_EQ(seen.generation, 7u);
  EXPECT_EQ(seen.owner, "alice");
  EXPECT_EQ(seen.image_digest, "sha256:22");
  ASSERT_TRUE(seen.address);
  EXPECT_EQ(seen.address->to_string(), "172.18.0.2");
  EXPECT_TRUE(seen.published.empty());
  ASSERT_TRUE(seen.started_at);
  EXPECT_EQ(seen.started_at->time_since_epoch().count(), 1770028200);
}

TEST(Observe, ARemoteNodePublishes) {
  const Observed seen = observed_of(remote_settings(), demo(), inspected());
  EXPECT_EQ(seen.address->to_string(), "192.0.2.7");
  EXPECT_EQ(seen.published, (std::vector<Published>{{22, 32768}}));
}

TEST(Observe, HowItEnded) {
  struct Case {
    const char* status;
    unsigned exit;
    bool oom;
    const char* error;
    State state;
    const char* detail;
  };
  const Case cases[] = {
      {"exited", 0, false, "", State::stopped, "exited with status 0"},
      {"exited", 143, false, "", State::stopped, "exited with status 143"},
      {"exited", 1, false, "", State::stopped, "exited with status 1"},
      {"exited", 137, true, "", State::failed, "ended for want of memory: its limit is too small"},
      {"created", 127, false, "no such\nprogram", State::creating, "no such program"},
      {"restarting", 0, false, "", State::creating, "restarting"},
      {"paused", 0, false, "", State::stopped, "paused"},
      {"dead", 0, false, "", State::failed, "dead"}};
  for (const Case& c : cases) {
    json container = inspected();
    container["State"] = {
        {"Status", c.status}, {"ExitCode", c.exit}, {"OOMKilled", c.oom}, {"Error", c.error}};
    const Observed seen = observed_of(local_settings(), demo(), container);
    EXPECT_EQ(seen.state, c.state) << c.status << ' ' << c.exit;
    EXPECT_EQ(seen.detail, c.detail);
    EXPECT_FALSE(seen.address) << "what does not run has no address";
  }
}

TEST(Observe, OnlyOurLabelsAreOurs) {
  const json labels = inspected()["Config"]["Labels"];
  EXPECT_EQ(environment_of(local_settings(), labels), demo());
  Settings other = local_settings();
  other.install = "other";
  EXPECT_FALSE(environment_of(other, labels));
  for (const json& foreign : {json(), json::object(), json({{"envgate.install", "test"}}), json::array({1}),
                              json{{"envgate.install", "test"}, {"envgate.env", "../x"}}}) {
    EXPECT_FALSE(environment_of(local_settings(), foreign)) << foreign.dump();
  }
}

TEST(Observe, AListsElement) {
  json element = {{"Id", "1"},
                  {"State", "running"},
                  {"Labels", inspected()["Config"]["Labels"]},
                  {"NetworkSettings", inspected()["NetworkSettings"]},
                  {"Ports", json::parse(R"([{"PrivatePort":22,"PublicPort":32768,"IP":"0.0.0.0"},
                                            {"PrivatePort":22,"PublicPort":32768,"IP":"::"},
                                            {"PrivatePort":80},{"PrivatePort":70000,"PublicPort":1}])")}};
  EXPECT_EQ(listed_of(local_settings(), element)->address->to_string(), "172.18.0.2");
  EXPECT_EQ(listed_of(remote_settings(), element)->published, (std::vector<Published>{{22, 32768}}));
  element["Labels"]["envgate.install"] = "other";
  EXPECT_FALSE(listed_of(local_settings(), element));
}

TEST(Observe, DigestsOfImages) {
  const std::string digest = "sha256:" + std::string(64, '1'), other = "sha256:" + std::string(64, '2');
  const json image = {{"Id", "sha256:id"}, {"RepoDigests", {"b@" + other, "a@" + digest, 7, "nonsense"}}};
  EXPECT_EQ(image_digest_of(image, "a"), digest);
  EXPECT_EQ(image_digest_of(image, "c"), other);
  EXPECT_EQ(image_digest_of({{"Id", "sha256:id"}}, "a"), "sha256:id");
}

// Every value is replaced by every kind of value, and bytes are thrown in: nothing may throw or crash, and
// what has lost its labels must not be ours.
TEST(Observe, HostileJson) {
  const json replacements[] = {json(),
                               json(-1),
                               json(1e308),
                               json("x"),
                               json(std::string(100000, 'y')),
                               json(true),
                               json::array({json::object()}),
                               json::object(),
                               json("\xff\xfe")};
  const json flat = inspected().flatten();
  for (const auto& [pointer, value] : flat.items()) {
    for (const json& replacement : replacements) {
      json container = inspected();
      container[json::json_pointer(pointer)] = replacement;
      const Observed seen = observed_of(remote_settings(), demo(), container);
      EXPECT_LE(seen.detail.size(), 400u);
      (void)listed_of(local_settings(), container);
      (void)to_text(container);
      if (pointer == "/Config/Labels/envgate.install") {
        EXPECT_FALSE(environment_of(local_settings(), container["Config"]["Labels"]));
      }
    }
  }
  std::mt19937 random(1);
  for (int round = 0; round < 20000; ++round) {
    std::string text = kInspected;
    for (int change = 0; change < 4; ++change) text[random() % text.size()] = static_cast<char>(random());
    if (const auto value = parse_json(text)) (void)observed_of(remote_settings(), demo(), *value);
  }
}

TEST(Json, DepthIsBoundedBeforeItIsParsed) {
  auto nested = [](std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  EXPECT_TRUE(parse_json(nested(kMaxJsonDepth)));
  EXPECT_FALSE(parse_json(nested(kMaxJsonDepth + 1)));
  EXPECT_FALSE(parse_json(std::string(10'000'000, '[')));
  EXPECT_TRUE(parse_json("\"" + std::string(1000, '[') + "\\\"[\"")) << "brackets in a text are text";
  for (const char* bad : {"", "{", "nul", "{} {}", "\"\\", "[1,]"}) EXPECT_FALSE(parse_json(bad)) << bad;
}

TEST(Gpus, ExclusiveAndShared) {
  const std::vector<GpuDevice> devices = {{"0", "a100"}, {"1", "a100"}, {"2", "h100"}};
  using Ids = std::vector<std::string>;
  EXPECT_EQ(choose_gpus(devices, {}, {2, "", GpuMode::exclusive}).value(), (Ids{"0", "1"}));
  EXPECT_EQ(choose_gpus(devices, {{{"0"}, false}}, {1, "a100", GpuMode::exclusive}).value(), Ids{"1"});
  const auto none = choose_gpus(devices, {{{"0"}, true}, {{"1"}, false}}, {1, "a100", GpuMode::exclusive});
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().cause, Cause::exhausted);
  EXPECT_EQ(choose_gpus(devices, {{{"0"}, true}}, {1, "a100", GpuMode::shared}).value(), Ids{"1"});
  EXPECT_EQ(choose_gpus(devices, {{{"0"}, true}, {{"1"}, false}}, {1, "a100", GpuMode::shared}).value(),
            Ids{"0"});
}

TEST(Gpus, AStoppedOnesAreLentAndTakenLast) {
  const std::vector<GpuDevice> devices = {{"0", "a100"}, {"1", "a100"}};
  const GpuUse stopped{{"0"}, false, true};
  using Ids = std::vector<std::string>;
  EXPECT_EQ(choose_gpus(devices, {stopped}, {1, "", GpuMode::exclusive}).value(), Ids{"1"});
  EXPECT_EQ(choose_gpus(devices, {stopped}, {2, "", GpuMode::exclusive}).value(), (Ids{"1", "0"}));
  EXPECT_EQ(gpus_in_the_way(stopped, {}), Ids{});
  EXPECT_EQ(gpus_in_the_way(stopped, {{{"0"}, false, true}}), Ids{})
      << "another one that does not run either";
  EXPECT_EQ(gpus_in_the_way(stopped, {{{"1", "0"}, false}}), Ids{"0"});
  EXPECT_EQ(gpus_in_the_way(stopped, {{{"0"}, true}}), Ids{"0"}) << "alone is alone";
  EXPECT_EQ(gpus_in_the_way({{"0"}, true}, {{{"0"}, true}}), Ids{});
}

}  // namespace
}  // namespace envgate::backends::docker
