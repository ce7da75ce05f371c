#include "backends/physical/ssh_command.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <thread>

#include "backends/physical/programs.hpp"
#include "tests/unit/temp_dir.hpp"

namespace envgate::backends::physical {
namespace {

Machine machine() {
  Machine one;
  one.name = "gpu-7";
  one.address = *IpAddress::parse("2001:db8::7");
  one.ssh_port = 2222;
  one.admin_key = "/etc/envgate/admin";
  one.host_keys = {"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJbG comment", "ssh-rsa AAAAB3NzaC1yc2EAAAADAQAB"};
  return one;
}

TEST(SshArgv, IsOneProgramAndNothingOfAnybody) {
  const auto argv = ssh_argv(Settings(), machine(), "/tmp/known", "echo 'it is'");
  EXPECT_EQ(argv[0], "/usr/bin/ssh");
  EXPECT_EQ((std::vector<std::string>(argv.end() - 9, argv.end())),
            (std::vector<std::string>{"-i", "/etc/envgate/admin", "-p", "2222", "-l", "root", "--",
                                      "2001:db8::7", "exec /bin/sh -c 'echo '\\''it is'\\''' envgate"}));
  for (const char* option :
       {"BatchMode=yes", "StrictHostKeyChecking=yes", "GlobalKnownHostsFile=/dev/null", "IdentitiesOnly=yes",
        "IdentityAgent=none", "ClearAllForwardings=yes", "ControlMaster=no", "ProxyCommand=none",
        "EscapeChar=none", "UserKnownHostsFile=/tmp/known", "ConnectTimeout=10", "ServerAliveInterval=5"}) {
    const auto at = std::find(argv.begin(), argv.end(), option);
    ASSERT_NE(at, argv.end()) << option;
    EXPECT_EQ(*(at - 1), "-o");
  }
  Machine ops = machine();
  ops.admin_user = "ops";
  EXPECT_EQ(ssh_argv(Settings(), ops, "/tmp/known", "id").back(), "exec sudo -n /bin/sh -c 'id' envgate");
}

TEST(SshArgv, TheProgramsAreWhatShellsTake) {
  for (const std::string* program :
       {&programs::look(), &programs::check(), &programs::grant(), &programs::stop(), &programs::drain(),
        &programs::clean(), &programs::verify()}) {
    const auto checked = run({{"/bin/sh", "-n"}, Secret(*program)}, Call::within(std::chrono::seconds(10)));
    ASSERT_TRUE(checked);
    EXPECT_EQ(checked->status, 0) << checked->err;
    EXPECT_LT(program->size(), 64u << 10) << "one argument has at most 128 KiB, and quotes grow";
  }
}

TEST(KnownHosts, ThePinnedKeysAloneForUsAlone) {
  test::TempDir directory;
  Settings settings;
  settings.temporary = directory.path("");
  std::string path;
  {
    Machine odd = machine();
    odd.host_keys.push_back("* ssh-rsa AAAAB3NzaC1yc2EAAAADAQAB");  // a pattern is no key
    const auto hosts = KnownHosts::make(settings, odd);
    ASSERT_TRUE(hosts) << hosts.error().message;
    path = hosts->path();
    EXPECT_EQ(test::read_file(path),
              "machine ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJbG\nmachine ssh-rsa AAAAB3NzaC1yc2EAAAADAQAB\n");
    struct stat status {};
    ASSERT_EQ(stat(path.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0600u);
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

// As OpenSSH 9.2 says it.
TEST(SshFailure, IsClassified) {
  const auto cause = [](std::string_view words) { return ssh_failure(machine(), words).cause; };
  EXPECT_EQ(
      cause("@@@@@@\n@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\n@@@@@@\nIT IS POSSIBLE "
            "THAT SOMEONE IS DOING SOMETHING NASTY!\nHost key verification failed.\n"),
      Cause::denied);
  EXPECT_EQ(cause("No ED25519 host key is known for machine and you have requested strict checking.\n"
                  "Host key verification failed.\n"),
            Cause::denied);
  EXPECT_EQ(cause("Unable to negotiate with 192.0.2.7 port 22: no matching host key type found. Their offer: "
                  "ssh-rsa\n"),
            Cause::denied);
  EXPECT_EQ(cause("root@192.0.2.7: Permission denied (publickey,password).\n"), Cause::denied);
  EXPECT_EQ(
      cause("@         WARNING: UNPROTECTED PRIVATE KEY FILE!          @\n...\nroot@192.0.2.7: Permission "
            "denied (publickey).\n"),
      Cause::denied);
  EXPECT_EQ(cause("Load key \"/etc/envgate/admin\": error in libcrypto\n"), Cause::denied);
  EXPECT_EQ(cause("ssh: connect to host 192.0.2.7 port 22: Connection refused\n"), Cause::unreachable);
  EXPECT_EQ(cause("ssh: connect to host 192.0.2.7 port 22: Connection timed out\n"), Cause::unreachable);
  EXPECT_EQ(cause("Connection timed out during banner exchange\n"), Cause::unreachable);
  EXPECT_EQ(cause("ssh: connect to host 192.0.2.7 port 22: No route to host\n"), Cause::unreachable);
  EXPECT_EQ(cause("kex_exchange_identification: read: Connection reset by peer\n"), Cause::unreachable);
  EXPECT_EQ(cause("Connection closed by 192.0.2.7 port 22\n"), Cause::unreachable);
  EXPECT_EQ(cause(""), Cause::unreachable);
  const std::string odd = ssh_failure(machine(), "\x1b[2Jwords\n" + std::string(100'000, 'x')).message;
  EXPECT_EQ(odd.find('\x1b'), std::string::npos);
  EXPECT_LT(odd.size(), 500u);
  EXPECT_EQ(odd.rfind("machine gpu-7 ([2001:db8::7]:2222): ", 0), 0u) << odd;
}

TEST(RunRemote, AMachineThatCannotBeAskedIsNotAsked) {
  Machine wrong = machine();
  wrong.host_keys.clear();
  const Call call = Call::within(std::chrono::seconds(5));
  EXPECT_EQ(run_remote(Settings(), wrong, "true", Secret(), call).error().cause, Cause::invalid);
  wrong = machine();
  wrong.admin_key = "/no/such/key";
  EXPECT_EQ(run_remote(Settings(), wrong, "true", Secret(), call).error().cause, Cause::denied);
}

TEST(Process, InputOutputAndStatus) {
  const Call call = Call::within(std::chrono::seconds(20));
  const std::string much(700'000, 'x');
  const auto echoed = run({{"/bin/cat"}, Secret(much)}, call);
  ASSERT_TRUE(echoed) << echoed.error().message;
  EXPECT_EQ(echoed->out, much);
  EXPECT_EQ(echoed->status, 0);
  const auto failed = run({{"/bin/sh", "-c", "echo why >&2; exit 3"}, Secret(much)}, call);  // reads nothing
  ASSERT_TRUE(failed) << failed.error().message;
  EXPECT_EQ(failed->status, 3);
  EXPECT_EQ(failed->err, "why\n");
  EXPECT_EQ(run({{"/bin/sh", "-c", "kill -9 $$"}, Secret()}, call)->status, 137);
  EXPECT_EQ(run({{"/no/such/program"}, Secret()}, call).error().cause, Cause::failed);
  const auto own = run({{"/bin/sh", "-c", "env; ls /proc/self/fd | wc -l"}, Secret()}, call);
  EXPECT_EQ(own->out.find("HOME="), std::string::npos) << own->out;
  EXPECT_NE(own->out.find("\n4\n"), std::string::npos)
      << "three, and the directory that ls reads: " << own->out;
}

TEST(Process, IsBoundedInSizeAndTime) {
  const auto start = std::chrono::steady_clock::now();
  const auto endless = run({{"/usr/bin/yes"}, Secret(), 1000}, Call::within(std::chrono::seconds(20)));
  EXPECT_EQ(endless.error().cause, Cause::failed);
  const auto noisy = run({{"/bin/sh", "-c", "head -c 100000 /dev/zero >&2"}, Secret()},
                         Call::within(std::chrono::seconds(20)));
  ASSERT_TRUE(noisy);
  EXPECT_EQ(noisy->err.size(), 16u << 10);
  // The second closes its outputs, and is there still.
  for (const char* lasting : {"exec sleep 60", "exec sleep 60 >&- 2>&-"}) {
    const auto late =
        run({{"/bin/sh", "-c", lasting}, Secret()}, Call::within(std::chrono::milliseconds(200)));
    ASSERT_FALSE(late);
    EXPECT_EQ(late.error().cause, Cause::timeout);
  }
  std::stop_source source;
  Call call = Call::within(std::chrono::seconds(60));
  call.cancel = source.get_token();
  std::jthread canceller([&] { source.request_stop(); });
  EXPECT_EQ(run({{"/bin/sleep", "60"}, Secret()}, call).error().cause, Cause::cancelled);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(10));
}

}  // namespace
}  // namespace envgate::backends::physical
