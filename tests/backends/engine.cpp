#include "engine.hpp"

#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <thread>

namespace envgate::backends {

std::string told(const char* name) {
  const char* value = std::getenv((std::string("ENGINE_") + name).c_str());
  return value != nullptr ? value : "";
}

Ran shell(const std::string& command) {
  FILE* pipe = popen(("exec 2>&1; " + command).c_str(), "r");
  Ran ran;
  char buffer[4096];
  for (std::size_t got; pipe != nullptr && (got = fread(buffer, 1, sizeof buffer, pipe)) > 0;)
    ran.output.append(buffer, got);
  const int status = pclose(pipe);
  ran.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128;
  while (!ran.output.empty() && ran.output.back() == '\n') ran.output.pop_back();
  return ran;
}

std::string docker_cli(const std::string& arguments) {
  const Ran ran = shell("DOCKER_HOST=unix://" + told("SOCKET") + " /usr/bin/docker " + arguments);
  EXPECT_EQ(ran.status, 0) << arguments << ": " << ran.output;
  return ran.output;
}

bool wait_for(const std::function<bool()>& condition, std::chrono::seconds time) {
  const auto end = std::chrono::steady_clock::now() + time;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return true;
}

Ran ssh(const Observed& at, const std::string& password, const std::string& command, std::uint16_t port,
        const std::string& key) {
  if (!at.address) return {255, "it has no address"};
  const std::string host = at.address->to_string();
  const std::string how = key.empty() ? "DROPBEAR_PASSWORD='" + password + "' timeout 20 dbclient"
                                      : "timeout 20 dbclient -i " + key;
  const std::string line = "HOME=" + told("DIRECTORY") + ' ' + how + " -y -y -T -p " + std::to_string(port) +
                           " root@" + host + " '" + command + "' 2>/dev/null </dev/null";
  Ran ran;
  // Until somebody listens; a refused password must not be tried for long.
  wait_for([&] {
    return shell("busybox nc -w 1 " + host + ' ' + std::to_string(port) + " </dev/null")
               .output.rfind("SSH-", 0) == 0;
  });
  return shell(line);
}

void ask_harness(const std::string& word) {
  const std::string line = word + "\n";
  char answer[3] = {};
  ASSERT_EQ(write(std::stoi(told("CONTROL")), line.data(), line.size()), static_cast<ssize_t>(line.size()));
  ASSERT_EQ(read(std::stoi(told("ANSWER")), answer, sizeof answer), 3) << "the harness could not " << word;
}

void stop_daemon() { ask_harness("stop"); }
void start_daemon() { ask_harness("start"); }

EngineTest::EngineTest() {
  settings.install = "test";
  settings.engine.socket = told("SOCKET");
  settings.grace = std::chrono::seconds(2);
  const std::string root = told("DIRECTORY") + "/binds";
  std::filesystem::create_directories(root + "/data");
  settings.bind_roots = {root};
  backend.emplace(settings);
}

EngineTest::~EngineTest() {
  const auto left = backend->list(call());
  EXPECT_TRUE(left) << left.error().message;
  for (const Observed& seen : left ? *left : std::vector<Observed>()) {
    const auto gone = backend->destroy(seen.environment, Volumes::remove, call());
    EXPECT_TRUE(gone) << gone.error().message;
  }
  const std::string label = " --filter label=envgate.install=test";
  EXPECT_EQ(docker_cli("ps -aq" + label), "");
  EXPECT_EQ(docker_cli("network ls -q" + label), "");
  EXPECT_EQ(docker_cli("volume ls -q" + label), "");
}

Wanted EngineTest::spec(const std::string& id, const std::string& owner) const {
  Wanted wanted;
  wanted.environment = *EnvId::parse(id);
  wanted.generation = 1;
  wanted.owner = owner;
  wanted.image = "envgate-test/ssh:1";
  wanted.cpu_millis = 500;
  wanted.memory = Bytes{64u << 20};
  wanted.pull = PullPolicy::never;
  wanted.ports = {{22, 0}};
  wanted.login = Login{"root", Secret("Pass \\word: \"1$"), {}};
  return wanted;
}

Observed EngineTest::ensure(const Wanted& wanted) {
  auto seen = backend->ensure(wanted, call());
  EXPECT_TRUE(seen) << seen.error().message;
  return seen ? *seen : Observed();
}

}  // namespace envgate::backends
