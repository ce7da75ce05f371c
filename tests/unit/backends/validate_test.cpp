#include "backends/docker/validate.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "backends/docker/binds.hpp"
#include "fixtures.hpp"
#include "tests/unit/temp_dir.hpp"

namespace envgate::backends::docker {
namespace {

std::vector<std::string> paths(const Settings& settings, const Wanted& wanted) {
  std::vector<std::string> out;
  for (const FieldError& error : validate(settings, wanted)) out.push_back(error.path);
  return out;
}

using Paths = std::vector<std::string>;

TEST(Validate, WhatCanBeMadeHasNoErrors) {
  Wanted wanted = simple_spec();
  wanted.mounts = {{MountKind::volume, "data", "/data", false}};
  wanted.ports = {{22, 0}, {8888, 0}};
  wanted.variables = {{"LANG", "C.UTF-8"}, {"EMPTY", ""}};
  wanted.login = Login{"root", Secret("Pass:word 1\\"), {"ssh-ed25519 AAAA me"}};
  EXPECT_EQ(paths(local_settings(), wanted), Paths());
}

TEST(Validate, NamesEverythingAtOnce) {
  Wanted wanted;
  wanted.owner = "Mallory";
  wanted.image = "a b";
  wanted.command = {std::string("a\0b", 3)};
  wanted.variables = {{"1X", ""}, {"A", ""}, {"A", ""}};
  wanted.pids = 3;
  wanted.shm = Bytes{1};
  wanted.gpu.count = 1;
  wanted.mounts = {{MountKind::volume, "../x", "/data", false},
                   {MountKind::bind, "/etc", "/proc/x", false},
                   {MountKind::volume, "x", "/data", false}};
  wanted.ports = {{0, 0}, {22, 2022}, {22, 0}};
  wanted.login = Login{"0; rm", Secret("two\nlines"), {"a\nb"}};
  EXPECT_EQ(paths(local_settings(), wanted), (Paths{"environment",
                                                    "generation",
                                                    "owner",
                                                    "image",
                                                    "command[0]",
                                                    "variables[0]",
                                                    "variables[2]",
                                                    "cpu_millis",
                                                    "memory",
                                                    "shm",
                                                    "pids",
                                                    "gpu.count",
                                                    "mounts[0].source",
                                                    "mounts[1].target",
                                                    "mounts[1].source",
                                                    "mounts[2].target",
                                                    "ports[0].port",
                                                    "ports[1].node_port",
                                                    "ports[2].port",
                                                    "login.user",
                                                    "login.password",
                                                    "login.authorized_keys[0]"}));
}

TEST(Validate, TargetsOfMounts) {
  Wanted wanted = simple_spec();
  wanted.mounts = {{MountKind::volume, "v", "", false}};
  for (const char* bad : {"", "/", "data", "/a/../b", "/a/./b", "/a//b", "/a/", "/proc", "/sys/fs",
                          "/dev/shm", "/a/..", "/a\nb"}) {
    wanted.mounts[0].target = bad;
    EXPECT_EQ(paths(local_settings(), wanted), Paths{"mounts[0].target"}) << bad;
  }
  for (const char* good : {"/a", "/data/.hidden", "/processes", "/a..b"}) {
    wanted.mounts[0].target = good;
    EXPECT_EQ(paths(local_settings(), wanted), Paths()) << good;
  }
}

TEST(Validate, Gpus) {
  Settings settings = local_settings();
  settings.gpus = {{"0", "a100"}, {"1", "a100"}, {"2", "h100"}};
  Wanted wanted = simple_spec();
  wanted.gpu = {2, "a100", GpuMode::exclusive};
  EXPECT_EQ(paths(settings, wanted), Paths());
  wanted.gpu = {2, "h100", GpuMode::exclusive};
  EXPECT_EQ(paths(settings, wanted), Paths{"gpu.count"});
  wanted.gpu = {1, "v100", GpuMode::mig};
  EXPECT_EQ(paths(settings, wanted), (Paths{"gpu.model", "gpu.mode"}));
}

TEST(Validate, RemoteNodesPublishAndBindNothing) {
  test::TempDir directory;
  Settings settings = remote_settings();
  settings.bind_roots = {directory.path("")};
  Wanted wanted = simple_spec();
  wanted.ports = {{22, 2022}, {80, 0}, {81, 2022}};
  wanted.mounts = {{MountKind::bind, directory.path(""), "/data", false}};
  EXPECT_EQ(paths(settings, wanted), (Paths{"mounts[0].kind", "ports[2].node_port"}));
}

TEST(Validate, LoginNeedsARunningEnvironment) {
  Wanted wanted = simple_spec();
  wanted.login = Login{};
  EXPECT_EQ(paths(local_settings(), wanted), Paths());
  wanted.power = Power::stopped;
  EXPECT_EQ(paths(local_settings(), wanted), Paths{"login"});
}

TEST(Binds, OnlyBelowTheRootsByTheirRealPath) {
  namespace fs = std::filesystem;
  test::TempDir directory;
  const std::string root = directory.path("root"), beside = directory.path("root-beside");
  fs::create_directories(root + "/a/b");
  fs::create_directories(beside);
  directory.write("root/file", "");
  fs::create_symlink("a/b", root + "/inside");
  fs::create_symlink("../root-beside", root + "/outside");
  fs::create_symlink("/", root + "/a/slash");
  fs::create_symlink("loop", root + "/loop");
  const std::vector<std::string> roots = {root + "/"};

  const std::string real = fs::canonical(root).string();
  EXPECT_EQ(resolve_bind(root, roots).value(), real);
  EXPECT_EQ(resolve_bind(root + "/a/../inside", roots).value(), real + "/a/b");
  for (const std::string& bad :
       {beside, root + "/outside", root + "/a/slash", root + "/a/slash/etc", root + "/../root-beside",
        root + "/loop", root + "/missing", root + "/file", std::string("root"), std::string(),
        std::string("/"), root + std::string("/a\0/b", 5)}) {
    EXPECT_FALSE(resolve_bind(bad, roots)) << bad;
  }
  EXPECT_FALSE(resolve_bind(root, {}));
  EXPECT_FALSE(resolve_bind(root, {"/"})) << "the whole machine is no root";
  EXPECT_TRUE(resolve_bind(root + "/a", {beside, root + "/inside/.."})) << "roots are resolved, too";
}

TEST(CheckSettings, SaysWhatIsWrong) {
  EXPECT_TRUE(check(local_settings()));
  auto wrong = [](auto change) {
    Settings settings = local_settings();
    change(settings);
    const auto result = check(settings);
    return result ? std::string("good") : result.error().message.substr(0, result.error().message.find(':'));
  };
  EXPECT_EQ(wrong([](Settings& s) { s.install = "My"; }), "install");
  EXPECT_EQ(wrong([](Settings& s) { s.engine.socket = ""; }), "engine");
  EXPECT_EQ(wrong([](Settings& s) { s.engine.host = "node:2376"; }), "engine");
  EXPECT_EQ(wrong([](Settings& s) { s.bind_roots = {"/"}; }), "bind_roots");
  EXPECT_EQ(wrong([](Settings& s) { s.gpus = {{"0,1", ""}}; }), "gpus");
}

}  // namespace
}  // namespace envgate::backends::docker
