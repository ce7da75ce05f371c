// The backend's decisions, against an engine in memory. The real engine is in tests/backends.
#include "backends/docker/backend.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "fake_engine.hpp"
#include "fixtures.hpp"

namespace envgate::backends::docker {
namespace {

constexpr char kContainer[] = "envgate-test-demo", kNetwork[] = "envgate-test.owner-alice";

class DockerBackendTest : public ::testing::Test {
 protected:
  DockerBackendTest() { engine.images["example.org/base:1"] = {{"Id", "sha256:base"}}; }

  Call call() const { return Call::within(std::chrono::seconds(10)); }
  std::size_t asked(const std::string& request) const {
    return static_cast<std::size_t>(std::count(engine.requests.begin(), engine.requests.end(), request));
  }
  bool changed_anything() const {
    return std::any_of(engine.requests.begin(), engine.requests.end(),
                       [](const std::string& request) { return request.rfind("GET ", 0) != 0; });
  }

  std::unique_ptr<FakeEngine> owned = std::make_unique<FakeEngine>();
  FakeEngine& engine = *owned;
  DockerBackend backend{local_settings(), std::move(owned)};
  Wanted wanted = simple_spec();
};

TEST_F(DockerBackendTest, EnsuresTwiceAndMakesOne) {
  wanted.mounts = {{MountKind::volume, "data", "/data", false}};
  const auto first = backend.ensure(wanted, call());
  ASSERT_TRUE(first) << first.error().message;
  EXPECT_EQ(first->state, State::running);
  EXPECT_TRUE(first->address);
  const auto second = backend.ensure(wanted, call());
  ASSERT_TRUE(second);
  EXPECT_EQ(second->address, first->address);
  EXPECT_EQ(asked("POST /containers/create"), 1u);
  EXPECT_EQ(engine.containers.size(), 1u);
  EXPECT_EQ(engine.volumes.count("envgate-test-demo-data"), 1u);
  EXPECT_EQ(engine.container(kContainer)["Config"]["Image"], "sha256:base");
}

TEST_F(DockerBackendTest, AsksNoMoreThanItMust) {
  ASSERT_TRUE(backend.ensure(wanted, call()));
  EXPECT_EQ(asked("GET /containers/envgate-test-demo/json"), 2u) << "whether it is there, and its address";
  engine.requests.clear();
  ASSERT_TRUE(backend.ensure(wanted, call()));
  EXPECT_EQ(engine.requests, std::vector<std::string>{"GET /containers/envgate-test-demo/json"});
}

// An engine that answers the making of a container once two are asked for, or when the deadline has passed.
class PatientEngine final : public Transport {
 public:
  explicit PatientEngine(FakeEngine& engine) : engine_(engine) {}
  Outcome<Response> send(const Request& request, const Call& call) override {
    std::unique_lock lock(mutex_);
    if (request.path.find("/containers/create") != std::string::npos) {
      ++making_;
      changed_.notify_all();
      alone_ |= !changed_.wait_until(lock, call.deadline, [this] { return making_ == 2; });
    }
    return engine_.send(request, call);
  }
  Outcome<Response> converse(const Request& request, const Secret& input, const Call& call) override {
    const std::lock_guard lock(mutex_);
    return engine_.converse(request, input, call);
  }
  std::string shown() const override { return "fake"; }
  bool one_was_alone() const { return alone_; }

 private:
  FakeEngine& engine_;
  std::mutex mutex_;
  std::condition_variable changed_;
  int making_ = 0;
  bool alone_ = false;
};

TEST_F(DockerBackendTest, ContainersAreMadeAtOnceAndTheirNetworkOnce) {
  auto patient = std::make_unique<PatientEngine>(engine);
  const PatientEngine& seen = *patient;
  DockerBackend both(local_settings(), std::move(patient));
  std::atomic<int> made = 0;
  std::vector<std::jthread> threads;
  for (const char* name : {"one", "two"}) {
    threads.emplace_back([&, name] {
      Wanted mine = wanted;
      mine.environment = *EnvId::parse(name);
      made += both.ensure(mine, call()).has_value();
    });
  }
  threads.clear();
  EXPECT_EQ(made, 2);
  EXPECT_FALSE(seen.one_was_alone());
  EXPECT_EQ(asked("POST /networks/create"), 1u);
}

TEST_F(DockerBackendTest, StoppedAsWantedAndTheAddressAnew) {
  wanted.power = Power::stopped;
  EXPECT_EQ(backend.ensure(wanted, call())->state, State::creating);  // made, never started
  wanted.power = Power::running;
  const auto first = backend.ensure(wanted, call());
  ASSERT_TRUE(first);
  const auto stopped = backend.stop(demo(), std::chrono::seconds(1), call());
  ASSERT_TRUE(stopped);
  EXPECT_EQ(stopped->state, State::stopped);
  EXPECT_FALSE(stopped->address);
  engine.networks.clear();  // somebody removed it meanwhile
  const auto again = backend.ensure(wanted, call());
  ASSERT_TRUE(again);
  EXPECT_NE(again->address, first->address);
  EXPECT_EQ(engine.networks.count(kNetwork), 1u);
}

TEST_F(DockerBackendTest, GpusThatWereLentBackAndTakenKeepAStoppedOneFromStarting) {
  auto with_gpus = std::make_unique<FakeEngine>();
  FakeEngine& there = *with_gpus;
  there.images["example.org/base:1"] = {{"Id", "sha256:base"}};
  Settings settings = local_settings();
  settings.gpus = {{"0", "a100"}, {"1", "a100"}};
  DockerBackend gpus(settings, std::move(with_gpus));
  wanted.gpu.count = 2;
  ASSERT_TRUE(gpus.ensure(wanted, call()));
  Wanted other = wanted;
  other.environment = *EnvId::parse("other");
  other.gpu.count = 1;
  EXPECT_EQ(gpus.ensure(other, call()).error().cause, Cause::exhausted) << "both are in use";
  ASSERT_TRUE(gpus.stop(demo(), std::chrono::seconds(0), call()));
  ASSERT_TRUE(gpus.ensure(other, call())) << "what is stopped has lent them";

  const auto kept_out = gpus.ensure(wanted, call());
  ASSERT_FALSE(kept_out);
  EXPECT_EQ(kept_out.error().cause, Cause::exhausted);
  EXPECT_NE(kept_out.error().message.find("GPU 0"), std::string::npos) << kept_out.error().message;
  EXPECT_EQ(there.container(kContainer)["State"]["Status"], "exited") << "and nothing of it is lost";
  ASSERT_TRUE(gpus.destroy(other.environment, Volumes::keep, call()));
  EXPECT_TRUE(gpus.ensure(wanted, call()));
}

TEST_F(DockerBackendTest, AnOlderGenerationIsReplacedAndItsVolumesStay) {
  wanted.mounts = {{MountKind::volume, "data", "/data", false}};
  ASSERT_TRUE(backend.ensure(wanted, call()));
  wanted.generation = 2;
  const auto replaced = backend.ensure(wanted, call());
  ASSERT_TRUE(replaced);
  EXPECT_EQ(replaced->generation, 2u);
  EXPECT_EQ(engine.containers.size(), 1u);
  EXPECT_EQ(engine.volumes.size(), 1u);
  EXPECT_EQ(asked("DELETE /volumes/envgate-test-demo-data"), 0u);

  wanted.generation = 1;
  engine.requests.clear();
  const auto older = backend.ensure(wanted, call());
  ASSERT_FALSE(older);
  EXPECT_EQ(older.error().cause, Cause::conflict);
  EXPECT_FALSE(changed_anything());
}

TEST_F(DockerBackendTest, WhatRunsGoesOnIfTheNewImageCannotBeHad) {
  ASSERT_TRUE(backend.ensure(wanted, call()));
  wanted.generation = 2;
  wanted.image = "example.org/missing:1";
  const auto failed = backend.ensure(wanted, call());
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().cause, Cause::missing);
  EXPECT_NE(failed.error().message.find("example.org/missing:1"), std::string::npos);
  EXPECT_EQ(engine.container(kContainer)["State"]["Status"], "running");
}

TEST_F(DockerBackendTest, PullPolicies) {
  engine.pullable = {"example.org/base:1", "example.org/new:1"};
  ASSERT_TRUE(backend.ensure(wanted, call()));
  EXPECT_EQ(asked("POST /images/create"), 0u) << "missing: it is there";

  wanted.image = "example.org/new:1";
  wanted.generation = 2;
  wanted.pull = PullPolicy::never;
  const auto never = backend.ensure(wanted, call());
  ASSERT_FALSE(never);
  EXPECT_EQ(never.error().cause, Cause::missing);
  EXPECT_EQ(asked("POST /images/create"), 0u);

  wanted.pull = PullPolicy::missing;
  std::vector<Progress> told;
  Call told_call = call();
  told_call.progress = [&](const Progress& progress) { told.push_back(progress); };
  ASSERT_TRUE(backend.ensure(wanted, told_call));
  EXPECT_EQ(asked("POST /images/create"), 1u);
  EXPECT_TRUE(std::any_of(told.begin(), told.end(), [](const Progress& p) { return p.step == "pull"; }));

  wanted.pull = PullPolicy::always;
  wanted.generation = 3;
  ASSERT_TRUE(backend.ensure(wanted, call()));
  EXPECT_EQ(asked("POST /images/create"), 2u);
}

TEST_F(DockerBackendTest, ForeignThingsAreRefusedAndNotTouched) {
  for (const json& labels : {json::object(), json{{"envgate.install", "other"}, {"envgate.env", "demo"}}}) {
    engine.containers[kContainer] = {{"Id", "f"},
                                     {"Name", std::string("/") + kContainer},
                                     {"Labels", labels},
                                     {"Config", {{"Labels", labels}}},
                                     {"State", {{"Status", "running"}}}};
    engine.requests.clear();
    EXPECT_EQ(backend.ensure(wanted, call()).error().cause, Cause::conflict);
    EXPECT_EQ(backend.stop(demo(), std::chrono::seconds(0), call()).error().cause, Cause::conflict);
    EXPECT_EQ(backend.destroy(demo(), Volumes::remove, call()).error().cause, Cause::conflict);
    EXPECT_EQ(backend.observe(demo(), call()).error().cause, Cause::conflict);
    EXPECT_TRUE(backend.list(call())->empty());
    EXPECT_FALSE(changed_anything());
  }
  engine.containers.clear();
  engine.networks[kNetwork] = {{"Id", "n"}, {"Name", kNetwork}, {"Labels", json::object()}};
  EXPECT_EQ(backend.ensure(wanted, call()).error().cause, Cause::conflict);
  engine.networks.clear();
  engine.volumes["envgate-test-demo-data"] = {{"Name", "envgate-test-demo-data"}, {"Labels", json()}};
  wanted.mounts = {{MountKind::volume, "data", "/data", false}};
  EXPECT_EQ(backend.ensure(wanted, call()).error().cause, Cause::conflict);
  EXPECT_TRUE(engine.containers.empty());
}

TEST_F(DockerBackendTest, DestroyTakesWhatIsOursAndTheLastOnesNetwork) {
  wanted.mounts = {{MountKind::volume, "data", "/data", false}};
  Wanted second = wanted;
  second.environment = *EnvId::parse("second");
  ASSERT_TRUE(backend.ensure(wanted, call()));
  ASSERT_TRUE(backend.ensure(second, call()));
  engine.networks["theirs"] = {{"Id", "n"}, {"Name", "theirs"}, {"Labels", {{"envgate.install", "other"}}}};

  ASSERT_TRUE(backend.destroy(demo(), Volumes::keep, call()));
  EXPECT_EQ(engine.volumes.size(), 2u);
  EXPECT_EQ(engine.networks.count(kNetwork), 1u) << "the second is in it";
  ASSERT_TRUE(backend.destroy(demo(), Volumes::remove, call())) << "again, now with volumes";
  EXPECT_EQ(engine.volumes.count("envgate-test-demo-data"), 0u);
  EXPECT_EQ(engine.volumes.count("envgate-test-second-data"), 1u);
  ASSERT_TRUE(backend.destroy(second.environment, Volumes::remove, call()));
  EXPECT_TRUE(engine.containers.empty() && engine.volumes.empty());
  EXPECT_EQ(engine.networks.size(), 1u);
  EXPECT_EQ(engine.networks.count("theirs"), 1u);
  EXPECT_EQ(backend.observe(demo(), call())->state, State::absent);
}

TEST_F(DockerBackendTest, OfTwoNetworksThatControllersMadeAtOnceOneIsLeft) {
  const json labels = {{"envgate.install", "test"}, {"envgate.owner", "alice"}};
  const auto twin = [&](const char* id, const char* made) {
    engine.networks[id] = {{"Id", id}, {"Name", kNetwork}, {"Created", made}, {"Labels", labels}};
  };
  twin("older", "2026-02-02T10:30:00Z");
  twin("younger", "2026-02-02T10:30:01Z");
  ASSERT_TRUE(backend.ensure(wanted, call()));
  EXPECT_EQ(engine.networks.size(), 1u);
  EXPECT_EQ(engine.networks.count("older"), 1u);

  // One that has containers stays.
  twin("younger", "2026-02-02T10:30:01Z");
  engine.refuses["DELETE /networks/younger"] = {403, to_text({{"message", "has active endpoints"}}), ""};
  wanted.environment = *EnvId::parse("second");
  ASSERT_TRUE(backend.ensure(wanted, call()));
  EXPECT_EQ(engine.networks.size(), 1u);
  EXPECT_EQ(engine.networks.count("younger"), 1u);

  // Where both have, nothing is taken from anybody, and it may pass.
  twin("older", "2026-02-02T10:30:00Z");
  engine.refuses["DELETE /networks/older"] = engine.refuses["DELETE /networks/younger"];
  wanted.environment = *EnvId::parse("third");
  const auto refused = backend.ensure(wanted, call());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().cause, Cause::failed);
  EXPECT_EQ(engine.networks.size(), 2u);
}

TEST_F(DockerBackendTest, TheLoginGoesOverStandardInputAlone) {
  wanted.login = Login{"root", Secret("hunter2 \\ hunter2"), {"ssh-ed25519 AAAA me"}};
  ASSERT_TRUE(backend.ensure(wanted, call()));
  EXPECT_EQ(engine.heard, "hunter2 \\ hunter2\nssh-ed25519 AAAA me\n\n");
  for (const std::string& body : engine.bodies) EXPECT_EQ(body.find("hunter2"), std::string::npos) << body;
  engine.heard.clear();
  wanted.login.reset();
  ASSERT_TRUE(backend.ensure(wanted, call()));
  EXPECT_EQ(engine.heard, "") << "nothing is set that was not given";
}

TEST_F(DockerBackendTest, EnginesThatGoAwayAndComeBackAsOthers) {
  EXPECT_TRUE(backend.observe(demo(), call()));
  engine.away = true;
  EXPECT_EQ(backend.observe(demo(), call()).error().cause, Cause::unreachable);
  engine.away = false;
  engine.api = "1.39";
  EXPECT_EQ(backend.observe(demo(), call()).error().cause, Cause::invalid) << "too old";
  engine.api = "nonsense";
  EXPECT_EQ(backend.observe(demo(), call()).error().cause, Cause::failed);
  engine.api = "1.99";
  EXPECT_TRUE(backend.observe(demo(), call()));
}

TEST_F(DockerBackendTest, ARefusalSaysWhatFailedAndTheRemedy) {
  struct Case {
    int status;
    const char* message;
    Cause cause;
    const char* remedy;
  };
  const Case cases[] = {
      {500, "write /var/x: no space left on device", Cause::exhausted, "free space"},
      {500, "Bind for 0.0.0.0:22 failed: port is already allocated", Cause::conflict, "choose another port"},
      {500, "could not find an available, non-overlapping IPv4 address pool", Cause::exhausted,
       "default-address-pools"},
      {400, "Range of CPUs is from 0.01 to 2.00", Cause::invalid, "fewer cores"},
      {403, "computer says no", Cause::denied, "computer says no"},
      {500, "", Cause::failed, "see its log"}};
  for (const Case& c : cases) {
    engine.refuses["POST /containers/create"] = {c.status, to_text({{"message", c.message}}), ""};
    const auto refused = backend.ensure(wanted, call());
    ASSERT_FALSE(refused) << c.message;
    EXPECT_EQ(refused.error().cause, c.cause) << c.message;
    EXPECT_EQ(refused.error().message.rfind("create environment demo: ", 0), 0u) << refused.error().message;
    EXPECT_NE(refused.error().message.find(c.remedy), std::string::npos) << refused.error().message;
  }
  engine.refuses.clear();
  EXPECT_TRUE(backend.ensure(wanted, call())) << "and goes on where it stopped";
}

TEST_F(DockerBackendTest, AnInvalidSpecReachesNobody) {
  wanted.cpu_millis = 0;
  wanted.image = "";
  const auto refused = backend.ensure(wanted, call());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().cause, Cause::invalid);
  EXPECT_NE(refused.error().message.find("cpu_millis"), std::string::npos);
  EXPECT_NE(refused.error().message.find("image"), std::string::npos);
  EXPECT_TRUE(engine.requests.empty());
}

}  // namespace
}  // namespace envgate::backends::docker
