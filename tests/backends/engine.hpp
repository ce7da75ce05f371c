// What the tests against a real engine share: where it is (engine.py says so), its own command line as a
// witness beside our code, and an SSH client.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <optional>
#include <string>

#include "backends/docker/backend.hpp"

namespace envgate::backends {

std::string told(const char* name);  // ENGINE_<name>

struct Ran {
  int status = 0;
  std::string output;  // both streams, without the last newline
};
Ran shell(const std::string& command);
std::string docker_cli(const std::string& arguments);  // its output; its failure fails the test

// Logs in with a password, or with the key file, and runs the command; waits for the server to come up.
Ran ssh(const Observed& at, const std::string& password, const std::string& command, std::uint16_t port = 22,
        const std::string& key = "");

bool wait_for(const std::function<bool()>& condition, std::chrono::seconds time = std::chrono::seconds(20));

void ask_harness(const std::string& word);  // and waits until it is done
void stop_daemon();
void start_daemon();

class EngineTest : public ::testing::Test {
 protected:
  EngineTest();
  ~EngineTest() override;  // destroys what the test made, and looks whether anything of ours is left

  Wanted spec(const std::string& id, const std::string& owner = "alice") const;
  Call call() const { return Call::within(std::chrono::seconds(60)); }
  Observed ensure(const Wanted& wanted);  // as the backend does; a failure fails the test
  static std::string name(const Wanted& wanted) { return "envgate-test-" + wanted.environment.str(); }

  docker::Settings settings;
  std::optional<docker::DockerBackend> backend;
};

}  // namespace envgate::backends
