#include "backends/physical/machine.hpp"

#include <gtest/gtest.h>

#include "backends/physical/facts.hpp"
#include "backends/physical/host.hpp"
#include "backends/physical/marker.hpp"

namespace envgate::backends::physical {
namespace {

constexpr char kKey[] = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJbGZ0Pz1Rq0q8cTn3uV7WbV0u1m2n3o4p5q6r7s8t9u";

TEST(PublicKey, TypeAndBase64WithoutTheRest) {
  EXPECT_EQ(public_key(std::string(kKey) + " root@gpu-7\n"), kKey);
  EXPECT_EQ(public_key(kKey), kKey);
  for (const char* bad :
       {"", "ssh-ed25519", "ssh-ed25519 ", "ssh-ed25519 short", "ssh-dss AAAAB3NzaC1kc3MAAACBAAAA",
        "from=\"*\" ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJbG", "ssh-ed25519 AAAAC3Nz\nAAAAIJbG",
        "ssh-ed25519 AAAAC3NzaC1l=ZDI1NTE5AAAAIJbG", "@cert-authority * ssh-ed25519 AAAAC3NzaC1lZDI1NTE5"}) {
    EXPECT_FALSE(public_key(bad)) << bad;
  }
  EXPECT_FALSE(public_key("ssh-rsa " + std::string(8193, 'A')));
}

TEST(CheckMachine, SaysWhatIsWrong) {
  Machine good;
  good.name = "gpu-7";
  good.address = *IpAddress::parse("192.0.2.7");
  good.admin_key = "/etc/envgate/admin";
  good.host_keys = {kKey};
  EXPECT_TRUE(check(good));
  const auto wrong = [&](auto change) {
    Machine machine = good;
    change(machine);
    const auto result = check(machine);
    return result ? std::string("good") : result.error().message.substr(0, result.error().message.find(':'));
  };
  EXPECT_EQ(wrong([](Machine& m) { m.name = "Gpu 7"; }), "name");
  EXPECT_EQ(wrong([](Machine& m) { m.ssh_port = 0; }), "ssh_port");
  EXPECT_EQ(wrong([](Machine& m) { m.admin_user = "-oProxyCommand=x"; }), "admin_user");
  EXPECT_EQ(wrong([](Machine& m) { m.admin_key = "/a b"; }), "good");
  for (const char* key : {"", "admin", "/a\"b", "/%h", "/${HOME}", "/a\nb"}) {
    EXPECT_EQ(wrong([&](Machine& m) { m.admin_key = key; }), "admin_key") << key;
  }
  EXPECT_EQ(wrong([](Machine& m) { m.host_keys = {}; }), "host_keys");
  EXPECT_EQ(wrong([](Machine& m) { m.host_keys.push_back("* ssh-rsa AAAA"); }), "host_keys");
}

TEST(Marker, ReadsBackWhatItWrites) {
  const Marker marker{"test",
                      *EnvId::parse("demo"),
                      18446744073709551615u,
                      "alice",
                      new_instance(),
                      std::chrono::sys_seconds(std::chrono::seconds(1'700'000'000)),
                      MarkerPower::running};
  const std::string lines = marker_lines(marker);
  EXPECT_EQ(parse_marker(lines + "power running\n"), marker);
  EXPECT_EQ(parse_marker(lines + "power granting\n")->power, MarkerPower::granting);
  EXPECT_EQ(parse_marker(lines + "power stopped\n")->power, MarkerPower::stopped);
  EXPECT_NE(new_instance(), new_instance());
  for (const std::string& bad :
       {std::string(), lines, lines + "power running", lines + "power on\n", lines + "power running\nx y\n",
        "\n" + lines + "power running\n", "owner alice\n" + lines + "power running\n"}) {
    EXPECT_FALSE(parse_marker(bad)) << bad;
  }
  for (const auto& [what, by] :
       {std::pair("test", "Test"), std::pair("demo", "../demo"), std::pair("18446744073709551615", "-1"),
        std::pair("18446744073709551615", "18446744073709551616"), std::pair("alice", "a b"),
        std::pair("instance ", "instance 0"), std::pair("1700000000", "1e9")}) {
    std::string text = lines + "power running\n";
    text.replace(text.find(what), std::string_view(what).size(), by);
    EXPECT_FALSE(parse_marker(text)) << text;
  }
}

TEST(Facts, OddValuesAreEmptyOnes) {
  const std::chrono::sys_seconds now(std::chrono::seconds(1'700'000'000));
  const Facts facts = parse_facts(
      "hostname gpu-7.example.org\ncpus 128\nmemory_kib 1056784420\ndisk_kib 264212084\n"
      "boot_id 170a744f-6e74-4b95-bf4e-8e1691641815\nuptime 14989\n"
      "gpu GPU 0: NVIDIA A100-SXM4-80GB (UUID: GPU-5c89852c-d268)\n"
      "gpu GPU 1: NVIDIA (odd): x (UUID: GPU-2)\ngpu   MIG 1g.5gb Device 0: (UUID: MIG-1)\nclock "
      "1699999997\n",
      now);
  EXPECT_TRUE(facts.reachable);
  EXPECT_EQ(facts.hostname, "gpu-7.example.org");
  EXPECT_EQ(facts.cpus, 128u);
  EXPECT_EQ(facts.memory.count, 1056784420ull * 1024);
  EXPECT_EQ(facts.disk.count, 264212084ull * 1024);
  EXPECT_EQ(facts.gpus, (std::vector<SeenGpu>{{"NVIDIA A100-SXM4-80GB", "GPU-5c89852c-d268"},
                                              {"NVIDIA (odd): x", "GPU-2"}}));
  EXPECT_EQ(facts.uptime.count(), 14989);
  EXPECT_EQ(facts.clock_difference.count(), -3);

  std::string hostile =
      "hostname $(reboot)\ncpus -1\ncpus 99999999999999999999\nmemory_kib 1x\nclock \n"
      "boot_id ../..\nuptime 18446744073709551615\ngpu GPU 0: (UUID: )\ngpu )\ngpu GPU 0: x (UUID: a b)\n\n "
      "\nx\n";
  for (int i = 0; i < 1000; ++i) hostile += "gpu GPU 0: \x1b[31mred (UUID: GPU-1)\n";
  const Facts odd = parse_facts(hostile, now);
  EXPECT_EQ(odd.hostname + odd.boot_id, "");
  EXPECT_EQ(odd.cpus + odd.memory.count, 0u);
  EXPECT_EQ(odd.clock_difference.count() + odd.uptime.count(), 0);
  EXPECT_EQ(odd.gpus.size(), 64u);
  EXPECT_EQ(odd.gpus[0].model, " [31mred");
}

TEST(Scan, TakesKeysAndNothingElse) {
  const std::string key = kKey;
  EXPECT_EQ(parse_scan("# 192.0.2.7:22 SSH-2.0-OpenSSH_9.2\n192.0.2.7 " + key + "\n[192.0.2.7]:22 " + key +
                       "\nno key\n192.0.2.7 ssh-rsa !!\n"),
            std::vector<std::string>{key});
  std::string many;
  for (int i = 0; i < 100; ++i) many += "h ssh-rsa AAAAAAAAAAAAAAAAAAAA" + std::to_string(i) + "\n";
  EXPECT_EQ(parse_scan(many).size(), 16u);
  EXPECT_EQ(parse_scanned_server("x\n# 192.0.2.7:22 SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"), "OpenSSH_9.2p1");
  EXPECT_EQ(parse_scanned_server("# [::1]:22 SSH-2.0-dropbear"), "dropbear");
  EXPECT_EQ(parse_scanned_server("192.0.2.7 SSH-2.0-no comment"), "");
  EXPECT_LE(parse_scanned_server("# a SSH-2.0-" + std::string(5000, 'x')).size(), 100u);
}

TEST(Verified, OnlyWhatMayBeThere) {
  const std::vector<std::string> users = {"root", "ubuntu"};
  const std::string key = kKey, admins = "key root " + key + " envgate-admin\n";
  const auto good = [&](const std::string& said) { return check_verified(said, users, key).has_value(); };
  EXPECT_TRUE(good("account root locked\n" + admins + "account ubuntu absent\n"));
  EXPECT_TRUE(good("account root locked\naccount ubuntu locked\n"));
  for (const std::string& more :
       {std::string("account ubuntu open\n"), std::string("process 17\n"), std::string("marker is there\n"),
        std::string("superuser back\n"), "key root " + key + "\n", "key ubuntu command=\"x\" " + key + "\n",
        "key root " + key + "A envgate-admin\n", std::string("\n"), std::string("account carol locked\n")}) {
    EXPECT_FALSE(good("account root locked\naccount ubuntu locked\n" + more)) << more;
  }
  EXPECT_FALSE(good(""));
  EXPECT_FALSE(good("account root locked\n" + admins)) << "nothing of ubuntu";
}

}  // namespace
}  // namespace envgate::backends::physical
