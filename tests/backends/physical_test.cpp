// The physical backend against real sshds: letting, stopping, observing.
#include <unistd.h>

#include <fstream>

#include "pool.hpp"

namespace envgate::backends {
namespace {

using PhysicalTest = PoolTest;
using physical::Host;

TEST_F(PhysicalTest, TheMachineSaysWhatItIs) {
  const auto facts = Host(settings, machines["one"]).check(call());
  ASSERT_TRUE(facts) << facts.error().message;
  EXPECT_TRUE(facts->reachable);
  EXPECT_EQ(facts->hostname, "one");
  EXPECT_EQ(std::to_string(facts->cpus), shell("nproc --all").output);
  EXPECT_GT(facts->memory.count, 1u << 26);
  EXPECT_GT(facts->disk.count, 0u);
  EXPECT_EQ(facts->boot_id, shell("cat /proc/sys/kernel/random/boot_id").output);
  EXPECT_LE(std::abs(facts->clock_difference.count()), 2);

  const auto keys = physical::scan_host_keys(settings, machines["one"].address, 22, call());
  ASSERT_TRUE(keys) << keys.error().message;
  ASSERT_EQ(keys->size(), 1u);
  EXPECT_EQ((*keys)[0], *physical::public_key(machines["one"].host_keys[0]));
  const auto server = physical::scan_server(settings, machines["one"].address, 22, call());
  ASSERT_TRUE(server) << server.error().message;
  EXPECT_EQ(server->keys, *keys);
  EXPECT_TRUE(server->server.starts_with("OpenSSH_")) << server->server;
  const auto nobody = physical::scan_host_keys(settings, machines["one"].address, 23, call());
  ASSERT_FALSE(nobody);
  EXPECT_EQ(nobody.error().cause, Cause::unreachable);
}

TEST_F(PhysicalTest, EnsuredTwiceItsCustomerGetsInAndTheAdminStays) {
  std::string line;
  const std::string key = make_key("customer", line);
  Wanted wanted = spec();
  wanted.login->authorized_keys = {"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAA $(touch /tmp/run) `reboot`",
                                   line};
  const Observed first = ensure(wanted);
  EXPECT_EQ(first.state, State::running);
  EXPECT_EQ(first.generation, 1u);
  EXPECT_EQ(first.owner, "alice");
  EXPECT_EQ(first.address, machines["one"].address);
  EXPECT_EQ(first.instance.size(), 32u);
  EXPECT_EQ(login("one", kPassword, "hostname; id -u").output, "one\n0");
  EXPECT_EQ(login("one", "", "hostname", key).output, "one");
  EXPECT_NE(login("one", "wrong", "hostname").status, 0);
  EXPECT_EQ(inside("one", "stat -c %a:%u /root/.ssh /root/.ssh/authorized_keys").output, "700:0\n600:0");
  EXPECT_EQ(inside("one", "wc -l </root/.ssh/authorized_keys; ls /tmp").output, "3");

  make_backend();
  wanted.login->authorized_keys.clear();  // stay
  wanted.login->password = Secret("Another-Pass-2");
  wanted.generation = 2;
  const Observed second = ensure(wanted);
  EXPECT_EQ(second.instance, first.instance) << "it was not made anew";
  EXPECT_EQ(second.started_at, first.started_at);
  EXPECT_EQ(second.generation, 2u);
  EXPECT_EQ(login("one", "", "hostname", key).output, "one");
  EXPECT_EQ(login("one", "Another-Pass-2", "hostname").output, "one");
  EXPECT_NE(login("one", kPassword, "hostname").status, 0);

  wanted.login.reset();
  ensure(wanted);
  EXPECT_EQ(login("one", "Another-Pass-2", "hostname").output, "one") << "left as it is";
  wanted.generation = 1;
  const auto older = backend->ensure(wanted, call());
  ASSERT_FALSE(older);
  EXPECT_EQ(older.error().cause, Cause::conflict);
  EXPECT_EQ(backend->observe(id("one"), call())->generation, 2u);
  EXPECT_EQ(shell("grep -c Another " + told("DIRECTORY") + "/one/sshd.log").output, "0");
}

TEST_F(PhysicalTest, WhatFailsIsTold) {
  Wanted wanted = spec("three");
  EXPECT_EQ(backend->ensure(wanted, call()).error().cause, Cause::missing);
  EXPECT_EQ(backend->observe(id("three"), call())->state, State::absent);
  EXPECT_EQ(backend->stop(id("three"), std::chrono::seconds(0), call())->state, State::absent);
  EXPECT_TRUE(backend->destroy(id("three"), Volumes::remove, call()));

  settings.customer_users.push_back("carol");
  make_backend();
  wanted = spec();
  wanted.login->user = "carol";
  const auto refused = backend->ensure(wanted, call());
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("/etc/passwd has no account carol"), std::string::npos)
      << refused.error().message;
  EXPECT_EQ(refused.error().message.find("Pass"), std::string::npos) << refused.error().message;
  EXPECT_EQ(backend->observe(id("one"), call())->state, State::absent);
}

TEST_F(PhysicalTest, AnotherHostKeyIsDenied) {
  for (const char* word : {"stop one", "rekey one", "start one"}) ask_harness(word);
  const auto refused = backend->ensure(spec(), call());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().cause, Cause::denied);
  EXPECT_NE(refused.error().message.find("its host key is not a pinned one"), std::string::npos)
      << refused.error().message;
  const auto facts = Host(settings, machines["one"]).check(call());
  ASSERT_FALSE(facts) << "not a state like being down: somebody must look";
  EXPECT_EQ(facts.error().cause, Cause::denied);
  const auto keys = physical::scan_host_keys(settings, machines["one"].address, 22, call());
  ASSERT_TRUE(keys) << keys.error().message;
  machines["one"].host_keys = *keys;  // as an operator does who has looked
  EXPECT_EQ(backend->observe(id("one"), call())->state, State::absent) << "it was not touched";
  const physical::Machine right = machines["one"];

  const std::string other = told("DIRECTORY") + "/other-admin";
  shell("rm -f " + other + "; ssh-keygen -q -t ed25519 -N \"\" -f " + other);
  machines["one"].admin_key = other;
  const auto key = backend->observe(id("one"), call());
  ASSERT_FALSE(key);
  EXPECT_EQ(key.error().cause, Cause::denied);
  EXPECT_NE(key.error().message.find("does not take the admin key"), std::string::npos)
      << key.error().message;
  machines["one"] = right;
}

TEST_F(PhysicalTest, AMachineThatIsDownIsAState) {
  ensure(spec("one"));
  ensure(spec("two"));
  ask_harness("stop one");
  const auto facts = Host(settings, machines["one"]).check(call());
  ASSERT_TRUE(facts) << facts.error().message;
  EXPECT_FALSE(facts->reachable);
  EXPECT_NE(facts->reason.find("start its sshd"), std::string::npos) << facts->reason;
  EXPECT_EQ(backend->observe(id("one"), call()).error().cause, Cause::unreachable);
  EXPECT_EQ(backend->destroy(id("one"), Volumes::remove, call()).error().cause, Cause::unreachable);
  auto listed = backend->list(call());
  ASSERT_TRUE(listed);
  ASSERT_EQ(listed->size(), 1u) << "it is left out";
  EXPECT_EQ((*listed)[0].environment, id("two"));

  ask_harness("start one");
  listed = backend->list(call());
  ASSERT_TRUE(listed);
  EXPECT_EQ(listed->size(), 2u);
  EXPECT_EQ(backend->observe(id("one"), call())->state, State::running);
  EXPECT_EQ(login("one", kPassword, "hostname").output, "one");
}

TEST_F(PhysicalTest, StoppedIsLockedAndComesBackAsItWas) {
  std::string line;
  const std::string key = make_key("customer", line);
  Wanted wanted = spec();
  wanted.login->authorized_keys = {line};
  const Observed before = ensure(wanted);
  LiveSession session("one", "nohup sleep 1234 >/dev/null 2>&1 & touch /tmp/live; exec sleep 300");
  ASSERT_TRUE(wait_for([] { return inside("one", "test -e /tmp/live").status == 0; }));
  EXPECT_FALSE(session.ended(std::chrono::seconds(0)));

  for (int again = 0; again < 2; ++again) {
    const auto stopped = backend->stop(id("one"), std::chrono::seconds(0), call());
    ASSERT_TRUE(stopped) << stopped.error().message;
    EXPECT_EQ(stopped->state, State::stopped);
    EXPECT_FALSE(stopped->address);
  }
  EXPECT_TRUE(session.ended());
  EXPECT_NE(inside("one", "pgrep -f \"sleep 123[4]\"").status, 0) << "a daemon of his ended, too";
  EXPECT_NE(login("one", kPassword, "true").status, 0);
  EXPECT_NE(login("one", "", "true", key).status, 0);

  wanted.login.reset();
  wanted.generation = 2;
  wanted.power = Power::stopped;
  EXPECT_EQ(ensure(wanted).state, State::stopped);
  EXPECT_NE(login("one", kPassword, "true").status, 0);
  EXPECT_EQ(backend->observe(id("one"), call())->generation, 2u);
  wanted.power = Power::running;
  const Observed after = ensure(wanted);
  EXPECT_EQ(after.state, State::running);
  EXPECT_EQ(after.instance, before.instance);
  EXPECT_EQ(login("one", kPassword, "hostname").output, "one");
  EXPECT_EQ(login("one", "", "hostname", key).output, "one");
  EXPECT_EQ(inside("one", "ls /var/lib/envgate/aside").output, "");
}

TEST_F(PhysicalTest, ACustomerCannotDodgeAStopByTheMarker) {
  ensure(spec());
  inside("one", "sed -i s/running/stopped/ /var/lib/envgate/environment");
  ASSERT_TRUE(backend->stop(id("one"), std::chrono::seconds(0), call()));
  EXPECT_NE(login("one", kPassword, "true").status, 0);
  ensure(spec());
  ASSERT_EQ(login("one", kPassword, "rm /var/lib/envgate/environment").status, 0);
  const auto stopped = backend->stop(id("one"), std::chrono::seconds(0), call());
  ASSERT_TRUE(stopped) << stopped.error().message;
  EXPECT_EQ(stopped->state, State::absent);
  EXPECT_NE(login("one", kPassword, "true").status, 0);
}

TEST_F(PhysicalTest, ThePlainUsersLinksLeadNowhere) {
  std::string line;
  const std::string key = make_key("customer", line);
  Wanted wanted = spec();
  wanted.login = Login{"ubuntu", Secret(kPassword), {line}};
  ensure(wanted);
  EXPECT_EQ(login("one", "", "id -un", key, "ubuntu").output, "ubuntu");
  EXPECT_EQ(inside("one", "stat -c %a:%U ~ubuntu/.ssh/authorized_keys").output, "600:ubuntu");
  inside("one", "echo precious >/etc/victim; chmod 600 /etc/victim");
  ASSERT_EQ(login("one", "", "cd .ssh && ln -sf /etc/victim authorized_keys.envgate", key, "ubuntu").status,
            0);
  ensure(wanted);
  EXPECT_EQ(inside("one", "cat /etc/victim").output, "precious");

  // A whole directory of root's, and a pipe that nobody writes to.
  ASSERT_EQ(login("one", "", "rm -rf .ssh && ln -s /etc/ssh .ssh", key, "ubuntu").status, 0);
  EXPECT_FALSE(backend->ensure(wanted, call()));
  EXPECT_EQ(inside("one", "ls /etc/ssh | grep -c authorized").output, "0");
  ASSERT_EQ(
      login("one", kPassword, "rm .ssh && mkdir .ssh && mkfifo .ssh/authorized_keys", "", "ubuntu").status,
      0);
  const auto stopped = backend->stop(id("one"), std::chrono::seconds(0), call());
  EXPECT_TRUE(stopped) << stopped.error().message;
  EXPECT_NE(login("one", kPassword, "true", "", "ubuntu").status, 0);
}

TEST_F(PhysicalTest, AnAdminWhoIsNotRootUsesSudo) {
  machines["one"].admin_user = "ubuntu";  // whose account has not our key: nothing is tried with sudo
  EXPECT_EQ(backend->ensure(spec(), call()).error().cause, Cause::denied);
  machines["one"].admin_user = "ops";
  if (access("/usr/bin/sudo", X_OK) != 0) {
    machines["one"].admin_user = "root";
    GTEST_SKIP() << "sudo is not installed (tests/run installs it)";
  }
  const Observed seen = ensure(spec());
  EXPECT_EQ(seen.state, State::running);
  LiveSession session("one");
  EXPECT_EQ(login("one", kPassword, "wc -l <.ssh/authorized_keys").status, 0);
  const auto stopped = backend->stop(id("one"), std::chrono::seconds(0), call());
  ASSERT_TRUE(stopped) << stopped.error().message;
  EXPECT_TRUE(session.ended());
  EXPECT_EQ(ensure(spec()).instance, seen.instance);
  const auto gone = backend->destroy(id("one"), Volumes::remove, call());
  ASSERT_TRUE(gone) << gone.error().message;
  EXPECT_NE(login("one", kPassword, "true").status, 0);
  EXPECT_EQ(inside("one", "wc -c </root/.ssh/authorized_keys").output, "0")
      << "no key of ours is needed there";
  inside("one", "sed -i /^ops/d /etc/sudoers");
  const auto refused = backend->observe(id("one"), call());
  EXPECT_EQ(refused.error().cause, Cause::denied) << refused.error().message;
  // For the tests that come: as the harness made it.
  inside("one", "echo \"ops ALL=(ALL:ALL) NOPASSWD: ALL\" >>/etc/sudoers");
  const std::string admin = told("DIRECTORY") + "/admin.pub", home = told("DIRECTORY") + "/one/root";
  EXPECT_EQ(shell("cat " + admin + " >" + home + "/.ssh/authorized_keys").status, 0);
  machines["one"].admin_user = "root";
}

TEST_F(PhysicalTest, WhatAStartUpFileSaysIsPassedOverOrBounded) {
  ensure(spec());
  inside("one", "echo \"echo envgate: done; echo noise\" >/root/.bashrc");
  EXPECT_EQ(backend->observe(id("one"), call())->state, State::running);
  inside("one", "echo \"exec yes\" >/root/.bashrc");
  const auto endless = backend->observe(id("one"), call());
  ASSERT_FALSE(endless);
  EXPECT_NE(endless.error().message.find("says more than"), std::string::npos) << endless.error().message;
  inside("one", "echo \"exec sleep 100\" >/root/.bashrc");
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(backend->observe(id("one"), Call::within(std::chrono::seconds(2))).error().cause, Cause::timeout);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(3));
  inside("one", "rm /root/.bashrc");
}

}  // namespace
}  // namespace envgate::backends
