#include "backends/physical/backend.hpp"

#include <gtest/gtest.h>

namespace envgate::backends::physical {
namespace {

Settings simple_settings() {
  Settings settings;
  settings.install = "test";
  return settings;
}

Wanted simple_machine() {
  Wanted wanted;
  wanted.environment = *EnvId::parse("demo");
  wanted.generation = 1;
  wanted.owner = "alice";
  return wanted;
}

std::vector<std::string> paths(const Wanted& wanted) {
  const PhysicalBackend backend(simple_settings(), Pool());
  std::vector<std::string> out;
  for (const FieldError& error : backend.validate(wanted)) out.push_back(error.path);
  return out;
}

using Paths = std::vector<std::string>;

TEST(PhysicalValidate, PortsAndALoginCanBe) {
  Wanted wanted = simple_machine();
  wanted.ports = {{22, 0}, {8888, 0}};
  wanted.login = Login{"root", Secret("Pass:word 1\\"), {"ssh-ed25519 AAAA me"}};
  EXPECT_EQ(paths(wanted), Paths());
  wanted.power = Power::stopped;
  EXPECT_EQ(paths(wanted), Paths{"login"});
}

TEST(PhysicalValidate, WhatAMachineHasNotIsRefusedByItsPath) {
  Wanted wanted;
  wanted.image = "debian:12";
  wanted.command = {"sh"};
  wanted.variables = {{"A", "b"}};
  wanted.cpu_millis = 1000;
  wanted.memory = Bytes{1};
  wanted.shm = Bytes{1};
  wanted.pids = 100;
  wanted.gpu.count = 1;
  wanted.mounts = {{MountKind::volume, "data", "/data", false}};
  wanted.registry = RegistryLogin{};
  wanted.ports = {{0, 0}, {22, 2022}, {22, 0}};
  wanted.login = Login{"carol", Secret("two\nlines"), {}};
  EXPECT_EQ(paths(wanted),
            (Paths{"environment", "generation", "owner", "image", "command", "variables", "cpu_millis",
                   "memory", "shm", "pids", "gpu.count", "mounts", "registry", "ports[0].port",
                   "ports[1].node_port", "ports[2].port", "login.password", "login.user"}));
}

TEST(PhysicalBackend, WithoutAMachineItAsksNobody) {
  PhysicalBackend backend(simple_settings(), Pool{[](const EnvId&) { return std::optional<Machine>(); },
                                                  [] { return std::vector<std::pair<EnvId, Machine>>(); }});
  const EnvId demo = *EnvId::parse("demo");
  const Call call = Call::within(std::chrono::seconds(1));
  EXPECT_EQ(backend.ensure(Wanted(), call).error().cause, Cause::invalid);
  EXPECT_EQ(backend.ensure(simple_machine(), call).error().cause, Cause::missing);
  EXPECT_EQ(backend.observe(demo, call)->state, State::absent);
  EXPECT_EQ(backend.stop(demo, std::chrono::seconds(1), call)->state, State::absent);
  EXPECT_TRUE(backend.destroy(demo, Volumes::remove, call));
  EXPECT_TRUE(backend.list(call)->empty());
}

TEST(PhysicalSettings, SayWhatIsWrong) {
  EXPECT_TRUE(check(simple_settings()));
  auto wrong = [](auto change) {
    Settings settings = simple_settings();
    change(settings);
    const auto result = check(settings);
    return result ? std::string("good") : result.error().message.substr(0, result.error().message.find(':'));
  };
  EXPECT_EQ(wrong([](Settings& s) { s.install = "My"; }), "install");
  EXPECT_EQ(wrong([](Settings& s) { s.customer_users = {}; }), "customer_users");
  EXPECT_EQ(wrong([](Settings& s) { s.customer_users = {"a b"}; }), "customer_users");
  EXPECT_EQ(wrong([](Settings& s) { s.clean_script = "clean.sh"; }), "clean_script");
  EXPECT_EQ(wrong([](Settings& s) { s.clean_time = std::chrono::seconds(0); }), "clean_time");
  EXPECT_EQ(wrong([](Settings& s) { s.temporary = "/a b"; }), "temporary");
  EXPECT_EQ(wrong([](Settings& s) { s.parallel = 0; }), "parallel");
}

}  // namespace
}  // namespace envgate::backends::physical
