// The Docker backend against a real engine on this machine.
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "engine.hpp"

namespace envgate::backends {
namespace {

constexpr char kPassword[] = "Pass \\word: \"1$";

using DockerTest = EngineTest;

TEST_F(DockerTest, EnsuredTwiceThereIsOneAndItsCustomerGetsIn) {
  const Wanted wanted = spec("one");
  const Observed first = ensure(wanted);
  EXPECT_EQ(first.state, State::running);
  EXPECT_EQ(first.generation, 1u);
  EXPECT_EQ(first.owner, "alice");
  EXPECT_EQ(first.image_digest.rfind("sha256:", 0), 0u);
  EXPECT_TRUE(first.started_at);
  const std::string id = docker_cli("inspect -f '{{.Id}}' " + name(wanted));

  backend.emplace(settings);  // as after a kill -9 of us: nothing is remembered
  const Observed second = ensure(wanted);
  EXPECT_EQ(second.address, first.address);
  EXPECT_EQ(second.started_at, first.started_at) << "it was not started again";
  EXPECT_EQ(docker_cli("inspect -f '{{.Id}}' " + name(wanted)), id);
  EXPECT_EQ(docker_cli("ps -aq --filter label=envgate.env=one").find('\n'), std::string::npos);
  const auto listed = backend->list(call());
  ASSERT_TRUE(listed);
  ASSERT_EQ(listed->size(), 1u);
  EXPECT_EQ((*listed)[0].address, first.address);

  const Ran in = ssh(second, kPassword, "hostname; id -u");
  EXPECT_EQ(in.status, 0) << in.output;
  EXPECT_EQ(in.output, "one\n0");
  EXPECT_NE(ssh(second, "wrong", "hostname").status, 0);
}

TEST_F(DockerTest, KeysAndPasswordsAreSetAnewAndAreNowhereElse) {
  const std::string key = told("DIRECTORY") + "/key-" + std::to_string(getpid());
  const Ran made = shell("dropbearkey -t ed25519 -f " + key + " 2>/dev/null | grep ^ssh-");
  ASSERT_EQ(made.status, 0) << made.output;
  Wanted wanted = spec("one");
  wanted.login->authorized_keys = {
      "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA $(reboot)",
      made.output};
  Observed seen = ensure(wanted);
  EXPECT_EQ(ssh(seen, "", "hostname", 22, key).output, "one");
  EXPECT_EQ(ssh(seen, "", "stat -c %a:%u .ssh .ssh/authorized_keys", 22, key).output, "700:0\n600:0");

  wanted.login->authorized_keys.clear();  // stay
  wanted.login->password = Secret("Another-Pass-2");
  seen = ensure(wanted);
  EXPECT_EQ(ssh(seen, "", "hostname", 22, key).output, "one");
  EXPECT_EQ(ssh(seen, "Another-Pass-2", "hostname").output, "one");
  EXPECT_NE(ssh(seen, kPassword, "hostname").status, 0);
  for (const std::string& where : {docker_cli("inspect " + name(wanted)), docker_cli("logs " + name(wanted)),
                                   shell("cat " + told("DIRECTORY") + "/dockerd.log").output}) {
    EXPECT_EQ(where.find("Another-Pass-2"), std::string::npos);
    EXPECT_EQ(where.find("Pass \\"), std::string::npos);
  }

  wanted.login->user = "nobody-here";
  const auto refused = backend->ensure(wanted, call());
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("/etc/passwd has no user nobody-here"), std::string::npos)
      << refused.error().message;
}

TEST_F(DockerTest, TheAddressIsReadAgainAfterAStart) {
  const Wanted one = spec("one"), two = spec("two");
  const Observed first = ensure(one), second = ensure(two);
  ASSERT_TRUE(first.address && second.address);
  EXPECT_NE(first.address, second.address);
  for (const Wanted* wanted : {&one, &two}) {
    const auto stopped = backend->stop(wanted->environment, std::chrono::seconds(2), call());
    ASSERT_TRUE(stopped) << stopped.error().message;
    EXPECT_EQ(stopped->state, State::stopped);
    EXPECT_FALSE(stopped->address);
    EXPECT_TRUE(backend->stop(wanted->environment, std::chrono::seconds(2), call())) << "again";
  }
  const Observed two_again = ensure(two);  // first now: it gets the address that `one` had
  const Observed one_again = ensure(one);
  EXPECT_EQ(two_again.address, first.address);
  EXPECT_EQ(one_again.address, second.address);
  EXPECT_EQ(ssh(one_again, kPassword, "hostname").output, "one");
  EXPECT_EQ(ssh(two_again, kPassword, "hostname").output, "two");
}

TEST_F(DockerTest, WhatSomebodyRemovedIsMadeAgain) {
  Wanted wanted = spec("one");
  wanted.mounts = {{MountKind::volume, "data", "/data", false}};
  ASSERT_EQ(ssh(ensure(wanted), kPassword, "echo kept >/data/file").status, 0);
  ASSERT_TRUE(backend->stop(wanted.environment, std::chrono::seconds(2), call()));
  docker_cli("network rm envgate-test.owner-alice");
  EXPECT_EQ(ssh(ensure(wanted), kPassword, "cat /data/file").output, "kept");
  docker_cli("rm -f " + name(wanted));
  EXPECT_EQ(backend->observe(wanted.environment, call())->state, State::absent);
  EXPECT_EQ(ssh(ensure(wanted), kPassword, "cat /data/file").output, "kept");
  docker_cli("pause " + name(wanted));
  EXPECT_EQ(ssh(ensure(wanted), kPassword, "cat /data/file").output, "kept");
}

TEST_F(DockerTest, DestroyLeavesNothingOfOursAndTouchesNobodyElse) {
  docker_cli("run -d --name bystander envgate-test/ssh:1");
  docker_cli("run -d --name neighbour -l envgate.install=other -l envgate.env=one envgate-test/ssh:1");
  docker_cli("run -d --name envgate-test-taken envgate-test/ssh:1");  // our name, without our labels
  docker_cli("volume create envgate-test-one-theirs");
  Wanted wanted = spec("one");
  wanted.mounts = {{MountKind::volume, "data", "/data", false}};
  ensure(wanted);

  for (const Outcome<void>& refused : {backend->destroy(*EnvId::parse("taken"), Volumes::remove, call())}) {
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().cause, Cause::conflict);
  }
  EXPECT_EQ(backend->ensure(spec("taken"), call()).error().cause, Cause::conflict);
  ASSERT_TRUE(backend->destroy(wanted.environment, Volumes::keep, call()));
  EXPECT_EQ(docker_cli("volume ls -q --filter label=envgate.env=one"), "envgate-test-one-data");
  EXPECT_EQ(docker_cli("network ls -q --filter label=envgate.install=test"), "");
  ASSERT_TRUE(backend->destroy(wanted.environment, Volumes::remove, call()));
  ASSERT_TRUE(backend->destroy(wanted.environment, Volumes::remove, call())) << "again";
  EXPECT_EQ(docker_cli("volume ls -q --filter label=envgate.env=one"), "");
  EXPECT_EQ(backend->observe(wanted.environment, call())->state, State::absent);

  for (const char* other : {"bystander", "neighbour", "envgate-test-taken"}) {
    EXPECT_EQ(docker_cli(std::string("inspect -f '{{.State.Status}}' ") + other), "running") << other;
    docker_cli(std::string("rm -fv ") + other);
  }
  EXPECT_EQ(docker_cli("volume ls -q --filter name=envgate-test-one-theirs"), "envgate-test-one-theirs");
  docker_cli("volume rm envgate-test-one-theirs");
}

TEST_F(DockerTest, LimitsAndRightsAreReallySet) {
  Wanted wanted = spec("one");
  wanted.shm = Bytes{8u << 20};
  wanted.pids = 100;
  const Observed seen = ensure(wanted);
  const std::string set =
      "{{.HostConfig.NanoCpus}} {{.HostConfig.Memory}} {{.HostConfig.MemorySwap}} "
      "{{.HostConfig.ShmSize}} {{.HostConfig.PidsLimit}} {{.HostConfig.Privileged}} "
      "{{.HostConfig.RestartPolicy.Name}} {{.HostConfig.SecurityOpt}} {{.HostConfig.CapDrop}}";
  EXPECT_EQ(docker_cli("inspect -f '" + set + "' " + name(wanted)),
            "500000000 67108864 67108864 8388608 100 false no [no-new-privileges] [ALL]");
  // As the customer meets them: 2 is a seccomp filter, and these are the ten capabilities of create_body.cpp.
  const std::string status =
      ssh(seen, kPassword, "grep -E \"^(CapBnd|NoNewPrivs|Seccomp):\" /proc/self/status").output;
  EXPECT_EQ(status, "CapBnd:\t00000000200404fb\nNoNewPrivs:\t1\nSeccomp:\t2");
  EXPECT_NE(ssh(seen, kPassword, "df -k /dev/shm").output.find(" 8192 "), std::string::npos);
  EXPECT_NE(ssh(seen, kPassword, "mount -t tmpfs none /tmp").status, 0);
}

TEST_F(DockerTest, BindsOutsideTheRootsAreRefused) {
  namespace fs = std::filesystem;
  const std::string root = settings.bind_roots[0];
  std::ofstream(root + "/data/hello") << "from the host";
  for (const char* link : {"/escape", "/data/escape"}) {
    fs::remove(root + link);
    fs::create_symlink("/etc", root + link);
  }
  Wanted wanted = spec("one");
  wanted.mounts = {{MountKind::bind, "", "/in", true}};
  for (const std::string& bad : {std::string("/etc"), root + "/escape", root + "/data/escape/ssl",
                                 root + "/../data", root + "/absent", told("SOCKET")}) {
    wanted.mounts[0].source = bad;
    const auto refused = backend->ensure(wanted, call());
    ASSERT_FALSE(refused) << bad;
    EXPECT_EQ(refused.error().cause, Cause::invalid);
    EXPECT_NE(refused.error().message.find("mounts[0].source"), std::string::npos) << refused.error().message;
  }
  EXPECT_EQ(docker_cli("ps -aq --filter label=envgate.env=one"), "");

  wanted.mounts[0].source = root + "/data/../data";
  const Observed seen = ensure(wanted);
  EXPECT_EQ(ssh(seen, kPassword, "cat /in/hello").output, "from the host");
  EXPECT_NE(ssh(seen, kPassword, "touch /in/new").status, 0) << "read only";
}

TEST_F(DockerTest, ANewGenerationReplacesTheContainerAndKeepsTheVolume) {
  Wanted wanted = spec("one");
  wanted.mounts = {{MountKind::volume, "data", "/data", false}};
  Observed seen = ensure(wanted);
  ASSERT_EQ(ssh(seen, kPassword, "echo kept >/data/file; echo lost >/root/file").status, 0);
  const std::string before = docker_cli("inspect -f '{{.Id}}' " + name(wanted));
  wanted.generation = 2;
  wanted.memory = Bytes{32u << 20};
  seen = ensure(wanted);
  EXPECT_EQ(seen.generation, 2u);
  EXPECT_NE(docker_cli("inspect -f '{{.Id}}' " + name(wanted)), before);
  EXPECT_EQ(docker_cli("inspect -f '{{.HostConfig.Memory}}' " + name(wanted)), "33554432");
  EXPECT_EQ(ssh(seen, kPassword, "cat /data/file; test -e /root/file || echo gone").output, "kept\ngone");
}

TEST_F(DockerTest, OwnersDoNotReachEachOther) {
  const Observed one = ensure(spec("one", "alice")), two = ensure(spec("two", "alice")),
                 other = ensure(spec("other", "bob"));
  ASSERT_TRUE(two.address && other.address);
  ASSERT_EQ(ssh(other, kPassword, "true").status, 0) << "it listens";
  ASSERT_EQ(ssh(two, kPassword, "true").status, 0);
  auto banner = [&](const Observed& at) {
    return ssh(one, kPassword, "nc -w 3 " + at.address->to_string() + " 22 </dev/null | head -c 4").output;
  };
  EXPECT_EQ(banner(two), "SSH-") << "of one owner: they do";
  EXPECT_EQ(banner(other), "");
}

TEST_F(DockerTest, WhatFailsIsToldWithItsRemedy) {
  Wanted wanted = spec("one");
  wanted.image = "envgate-test/absent:1";
  const auto missing = backend->ensure(wanted, call());
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().cause, Cause::missing);

  wanted = spec("one");
  wanted.cpu_millis = 900'000;
  const auto cores = backend->ensure(wanted, call());
  ASSERT_FALSE(cores);
  EXPECT_EQ(cores.error().cause, Cause::invalid);
  EXPECT_NE(cores.error().message.find("fewer cores"), std::string::npos) << cores.error().message;

  wanted = spec("one");
  wanted.command = {"/no/such/program"};
  const auto program = backend->ensure(wanted, call());
  ASSERT_FALSE(program);
  EXPECT_NE(program.error().message.find("start environment one"), std::string::npos)
      << program.error().message;

  wanted.generation = 2;
  wanted.command = {"/bin/sh", "-c", "exit 3"};
  wanted.login.reset();
  ASSERT_TRUE(backend->ensure(wanted, call()));
  EXPECT_TRUE(
      wait_for([&] { return backend->observe(wanted.environment, call())->state == State::stopped; }));
  EXPECT_EQ(backend->observe(wanted.environment, call())->detail, "exited with status 3");
}

// The last of this file: the daemon goes and comes back.
TEST_F(DockerTest, TheDaemonRestartsUnderneath) {
  Wanted wanted = spec("one");
  wanted.mounts = {{MountKind::volume, "data", "/data", false}};
  ensure(wanted);
  const std::string id = docker_cli("inspect -f '{{.Id}}' " + name(wanted));
  stop_daemon();
  const auto away = backend->observe(wanted.environment, call());
  EXPECT_FALSE(away);
  if (!away) {
    EXPECT_EQ(away.error().cause, Cause::unreachable);
    EXPECT_NE(away.error().message.find("start the engine"), std::string::npos) << away.error().message;
  }
  EXPECT_FALSE(backend->ensure(wanted, call()));
  start_daemon();
  EXPECT_EQ(backend->observe(wanted.environment, call())->state, State::stopped) << "restarts are left to us";
  const Observed seen = ensure(wanted);
  EXPECT_EQ(seen.state, State::running);
  EXPECT_EQ(docker_cli("inspect -f '{{.Id}}' " + name(wanted)), id);
  EXPECT_EQ(ssh(seen, kPassword, "hostname").output, "one");
}

}  // namespace
}  // namespace envgate::backends
