// A machine is taken back: what it is afterwards, what stands in the way, and what comes of a kill in
// between.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>

#include "pool.hpp"

namespace envgate::backends {
namespace {

class ReclaimTest : public PoolTest {
 protected:
  Outcome<void> destroy() { return backend->destroy(id("one"), Volumes::remove, call()); }

  // Works in a process of its own, which is killed at the n-th step or after a time.
  template <typename Work>
  void die_in(Work work, int step, std::chrono::milliseconds after = std::chrono::hours(1)) {
    const pid_t pid = fork();
    if (pid == 0) {
      Call mortal = call();
      mortal.progress = [&](const Progress&) {
        if (step-- == 0) kill(getpid(), SIGKILL);
      };
      work(mortal);
      _exit(0);
    }
    const auto end = std::chrono::steady_clock::now() + after;
    while (waitpid(pid, nullptr, WNOHANG) != pid) {
      if (std::chrono::steady_clock::now() > end) kill(pid, SIGKILL);
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    shell("rm -f " + told("DIRECTORY") + "/envgate-known-hosts-*");  // it could not
  }
  void destroy_and_die(int step, std::chrono::milliseconds after = std::chrono::hours(1)) {
    die_in([&](const Call& mortal) { backend->destroy(id("one"), Volumes::remove, mortal); }, step, after);
  }
};

TEST_F(ReclaimTest, EndsTheSessionAndLeavesNothingInForce) {
  std::string line;
  const std::string key = make_key("customer", line);
  Wanted wanted = spec();
  wanted.login->authorized_keys = {line};
  const Observed before = ensure(wanted);
  ASSERT_EQ(
      login("one", kPassword,
            "cp .ssh/authorized_keys .ssh/authorized_keys2; setsid -f sh -c \"trap : TERM HUP; while :; do "
            "sleep 0.1; done\" >/dev/null 2>&1; echo u: >secret")
          .status,
      0);
  LiveSession session("one", "touch /tmp/live; exec sleep 300");
  ASSERT_TRUE(wait_for([] { return inside("one", "test -e /tmp/live").status == 0; }));
  EXPECT_EQ(inside("one", "pgrep -fc \"trap : TER[M]\"").output, "1");

  write_clean_script(
      "rm -f /root/secret /tmp/live; echo \"$ENVGATE_ENVIRONMENT\" >/run/cleaned; id -u; exit 0");
  std::vector<std::string> steps;
  Call told_call = call();
  told_call.progress = [&](const Progress& progress) { steps.push_back(progress.step); };
  const auto gone = backend->destroy(id("one"), Volumes::remove, told_call);
  ASSERT_TRUE(gone) << gone.error().message;
  EXPECT_EQ(steps, (std::vector<std::string>{"draining", "cleaning", "verifying"}));

  EXPECT_TRUE(session.ended());
  EXPECT_NE(inside("one", "pgrep -f \"trap : TER[M]\"").status, 0);
  EXPECT_NE(login("one", kPassword, "true").status, 0);
  EXPECT_NE(login("one", "", "true", key).status, 0);
  EXPECT_EQ(inside("one", "cat /run/cleaned; ls /root /root/.ssh; ls -A /var/lib/envgate").output,
            "one\n/root:\n\n/root/.ssh:\nauthorized_keys");
  EXPECT_EQ(inside("one", "wc -l </root/.ssh/authorized_keys").output, "1") << "the admin's own";
  EXPECT_EQ(backend->observe(id("one"), call())->state, State::absent);
  ASSERT_TRUE(destroy()) << "again";
  EXPECT_NE(ensure(wanted).instance, before.instance) << "made anew";
}

TEST_F(ReclaimTest, AFailingScriptIsTheFailureWithItsWords) {
  ensure(spec());
  write_clean_script("echo wiping; echo no space for the wipe >&2; exit 3");
  auto failed = destroy();
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().cause, Cause::failed);
  EXPECT_NE(failed.error().message.find("status 3"), std::string::npos) << failed.error().message;
  EXPECT_NE(failed.error().message.find("no space for the wipe"), std::string::npos)
      << failed.error().message;
  EXPECT_EQ(backend->observe(id("one"), call())->environment, id("one"))
      << "its marker stays until it is clean";
  EXPECT_NE(login("one", kPassword, "true").status, 0) << "and yet the customer is out";

  settings.clean_time = std::chrono::seconds(1);
  write_clean_script("sleep 60");
  failed = destroy();
  ASSERT_FALSE(failed);
  EXPECT_NE(failed.error().message.find("within 1 s"), std::string::npos) << failed.error().message;
  settings.clean_script = told("DIRECTORY") + "/no-such-script";
  make_backend();
  EXPECT_EQ(destroy().error().cause, Cause::denied);
  write_clean_script("true");
  EXPECT_TRUE(destroy());
}

TEST_F(ReclaimTest, WhatTheCustomerLeftToComeBackIsFound) {
  ensure(spec());
  ASSERT_EQ(login("one", kPassword, "echo back:x:0:0::/root:/bin/sh >>/etc/passwd").status, 0);
  const auto superuser = destroy();
  ASSERT_FALSE(superuser);
  EXPECT_NE(superuser.error().message.find("superuser back"), std::string::npos) << superuser.error().message;
  // A clean script that puts a key back stands for whatever does.
  write_clean_script("sed -i /^back:/d /etc/passwd; echo ssh-rsa AAAA >>/root/.ssh/authorized_keys");
  const auto key = destroy();
  ASSERT_FALSE(key);
  EXPECT_NE(key.error().message.find("key root ssh-rsa AAAA"), std::string::npos) << key.error().message;
  write_clean_script("sed -i s/^root:x/root:abcdefghijklm/ /etc/passwd; : >/root/.ssh/authorized_keys2");
  const auto hash = destroy();
  ASSERT_FALSE(hash);
  EXPECT_NE(hash.error().message.find("account root open"), std::string::npos) << hash.error().message;
  inside("one", "sed -i s/^root:[^:]*/root:x/ /etc/passwd");
  write_clean_script("echo root:easy | chpasswd");
  const auto password = destroy();
  ASSERT_FALSE(password);
  EXPECT_NE(password.error().message.find("account root open"), std::string::npos)
      << password.error().message;
}

TEST_F(ReclaimTest, AnotherEnvironmentsMachineIsNotTouched) {
  ensure(spec());
  held[id("other")] = "one";
  for (const auto& refused : {backend->destroy(id("other"), Volumes::remove, call())}) {
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().cause, Cause::conflict);
    EXPECT_NE(refused.error().message.find("environment one of install test"), std::string::npos)
        << refused.error().message;
  }
  EXPECT_EQ(backend->ensure(spec("other"), call()).error().cause, Cause::conflict);
  EXPECT_EQ(backend->stop(id("other"), std::chrono::seconds(0), call()).error().cause, Cause::conflict);
  EXPECT_EQ(backend->observe(id("other"), call())->state, State::absent);
  EXPECT_EQ(login("one", kPassword, "hostname").output, "one");
  held.erase(id("other"));

  // Neither a marker that is none nor a missing one keeps the machine from being taken back.
  ASSERT_EQ(login("one", kPassword, "echo mine >/var/lib/envgate/environment").status, 0);
  EXPECT_EQ(backend->observe(id("one"), call()).error().cause, Cause::conflict);
  ASSERT_TRUE(destroy());
  EXPECT_NE(login("one", kPassword, "true").status, 0);
}

TEST_F(ReclaimTest, KilledBetweenAnyTwoStepsTheRepeatConverges) {
  write_clean_script("echo run >>/run/runs");
  for (int step = 0; step < 3; ++step) {
    ensure(spec());
    destroy_and_die(step);
    const auto gone = destroy();
    ASSERT_TRUE(gone) << step << ": " << gone.error().message;
    EXPECT_NE(login("one", kPassword, "true").status, 0);
  }
  write_clean_script("sleep 0.3; echo run >>/run/runs");
  for (int time = 50; time < 2000; time += 310) {
    ensure(spec());
    destroy_and_die(99, std::chrono::milliseconds(time));
    const auto gone = destroy();
    ASSERT_TRUE(gone) << time << " ms: " << gone.error().message;
    EXPECT_NE(login("one", kPassword, "true").status, 0);
    EXPECT_EQ(backend->observe(id("one"), call())->state, State::absent);
  }
}

TEST_F(ReclaimTest, KilledWhileItIsLetOrStoppedTheRepeatConverges) {
  std::string line;
  const std::string key = make_key("customer", line);
  for (int time = 40; time < 1000; time += 240) {
    Wanted wanted = spec();
    wanted.login->authorized_keys = {line};
    const auto after = std::chrono::milliseconds(time);
    die_in([&](const Call& mortal) { backend->ensure(wanted, mortal); }, 99, after);
    ensure(wanted);
    die_in([&](const Call& mortal) { backend->stop(id("one"), std::chrono::seconds(0), mortal); }, 99, after);
    const auto stopped = backend->stop(id("one"), std::chrono::seconds(0), call());
    ASSERT_TRUE(stopped) << time << " ms: " << stopped.error().message;
    EXPECT_NE(login("one", kPassword, "true").status, 0);
    EXPECT_NE(login("one", "", "true", key).status, 0);
    wanted.login.reset();
    die_in([&](const Call& mortal) { backend->ensure(wanted, mortal); }, 99, after);
    EXPECT_EQ(ensure(wanted).state, State::running);
    EXPECT_EQ(login("one", kPassword, "hostname").output, "one");
    EXPECT_EQ(login("one", "", "hostname", key).output, "one");
    ASSERT_TRUE(destroy());
  }
}

TEST_F(ReclaimTest, ACleanScriptWhoseCallerDiedMakesRoom) {
  settings.customer_users = {"ubuntu"};  // the script is root's: no draining ends it
  write_clean_script("touch /run/begun; exec sleep 9");
  Wanted wanted = spec();
  wanted.login->user = "ubuntu";
  ensure(wanted);
  destroy_and_die(99, std::chrono::milliseconds(1500));
  ASSERT_EQ(inside("one", "test -e /run/begun").status, 0) << "killed too early for this test";
  write_clean_script("if pgrep -f \"^sleep [9]\"; then exit 1; fi");
  const auto start = std::chrono::steady_clock::now();
  const auto gone = destroy();
  EXPECT_TRUE(gone) << gone.error().message;
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(6));
}

TEST_F(ReclaimTest, CancelEndsTheCallWithinASecond) {
  ensure(spec());
  write_clean_script("touch /run/started; sleep 5");
  std::stop_source source;
  Call cancelled = call();
  cancelled.cancel = source.get_token();
  std::chrono::steady_clock::time_point asked;
  std::jthread other([&] {
    EXPECT_TRUE(wait_for([] { return inside("one", "test -e /run/started").status == 0; }));
    asked = std::chrono::steady_clock::now();
    source.request_stop();
  });
  const auto ended = backend->destroy(id("one"), Volumes::remove, cancelled);
  const auto now = std::chrono::steady_clock::now();
  other.join();
  ASSERT_FALSE(ended);
  EXPECT_EQ(ended.error().cause, Cause::cancelled);
  EXPECT_LT(now - asked, std::chrono::seconds(1));
}

}  // namespace
}  // namespace envgate::backends
