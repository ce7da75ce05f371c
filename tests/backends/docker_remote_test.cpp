// A remote node: TLS with client certificates, ports published on it; and a registry that asks for a login.
#include "engine.hpp"

namespace envgate::backends {
namespace {

constexpr char kPassword[] = "Pass \\word: \"1$";

class RemoteDockerTest : public EngineTest {
 protected:
  RemoteDockerTest() {
    const std::string directory = told("DIRECTORY");
    settings.engine = {"", told("TLS"), directory + "/ca.pem", directory + "/client.pem",
                       directory + "/client.key"};
    settings.node_address = *IpAddress::parse("127.0.0.1");
    backend.emplace(settings);
  }
};

TEST_F(RemoteDockerTest, PublishesOnTheNodeAndSaysWhere) {
  Wanted wanted = spec("far");
  wanted.ports = {{22, 0}, {80, 18080}};
  const Observed seen = ensure(wanted);
  EXPECT_EQ(seen.address->to_string(), "127.0.0.1");
  ASSERT_EQ(seen.published.size(), 2u);
  std::uint16_t port = 0;
  for (const Published& published : seen.published) {
    if (published.port == 22) port = published.node_port;
    if (published.port == 80) {
      EXPECT_EQ(published.node_port, 18080);
    }
  }
  EXPECT_NE(port, 0);
  EXPECT_EQ(ssh(seen, kPassword, "hostname", port).output, "far");
  auto listed = backend->list(call());
  ASSERT_TRUE(listed);
  ASSERT_EQ(listed->size(), 1u);
  EXPECT_EQ((*listed)[0].published.size(), 2u);

  Wanted second = spec("second");
  second.ports = {{80, 18080}};
  const auto taken = backend->ensure(second, call());
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().cause, Cause::conflict);
  EXPECT_NE(taken.error().message.find("choose another port"), std::string::npos) << taken.error().message;
}

TEST_F(RemoteDockerTest, ACertificateOfNobodyIsRefused) {
  docker::Settings stranger = settings;
  stranger.engine.ca = "/etc/ssl/certs/ca-certificates.crt";
  if (shell("test -s " + stranger.engine.ca).status != 0) stranger.engine.ca = settings.engine.certificate;
  docker::DockerBackend distrustful(stranger);
  const auto refused = distrustful.observe(*EnvId::parse("far"), call());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().cause, Cause::denied);
  EXPECT_NE(refused.error().message.find("TLS with the engine"), std::string::npos)
      << refused.error().message;
}

TEST_F(EngineTest, PullsFromARegistryThatAsksForALogin) {
  const std::string registry = told("REGISTRY");
  if (registry.empty()) GTEST_SKIP() << "docker-registry is not installed";
  Wanted wanted = spec("pulled");
  wanted.image = registry + "/team/ssh:1";
  wanted.pull = PullPolicy::missing;
  const auto without = backend->ensure(wanted, call());
  ASSERT_FALSE(without);
  EXPECT_EQ(without.error().cause, Cause::denied) << without.error().message;

  wanted.registry = RegistryLogin{told("REGISTRY_USER"), Secret("wrong")};
  EXPECT_EQ(backend->ensure(wanted, call()).error().cause, Cause::denied);
  wanted.registry->password = Secret(told("REGISTRY_PASSWORD"));
  wanted.image = registry + "/team/ssh:absent";
  const auto absent = backend->ensure(wanted, call());
  ASSERT_FALSE(absent);
  EXPECT_EQ(absent.error().cause, Cause::missing) << absent.error().message;

  wanted.image = registry + "/team/ssh:1";
  std::vector<Progress> progress;
  Call telling = call();
  telling.progress = [&](const Progress& now) { progress.push_back(now); };
  const auto seen = backend->ensure(wanted, telling);
  ASSERT_TRUE(seen) << seen.error().message;
  EXPECT_EQ(seen->image_digest.rfind("sha256:", 0), 0u);
  EXPECT_FALSE(progress.empty());
  EXPECT_EQ(ssh(*seen, kPassword, "hostname").output, "pulled");

  // And by that digest, which is there: no registry is asked, so that none need be known.
  wanted.image = registry + "/team/ssh@" + seen->image_digest;
  wanted.registry.reset();
  wanted.pull = PullPolicy::always;
  wanted.generation = 2;
  const auto pinned = backend->ensure(wanted, call());
  ASSERT_TRUE(pinned) << pinned.error().message;
  EXPECT_EQ(pinned->image_digest, seen->image_digest);
  docker_cli("rmi -f " + registry + "/team/ssh:1");
}

}  // namespace
}  // namespace envgate::backends
