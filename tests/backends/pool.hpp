// What the tests against machines of machine.py share: a pool of two, a customer's SSH client, and a root
// shell on a machine that does not go through its sshd.
#pragma once

#include <sys/types.h>

#include <map>

#include "backends/physical/backend.hpp"
#include "engine.hpp"

namespace envgate::backends {

inline constexpr char kPassword[] = "Pass \\word: \"1$";

class PoolTest : public ::testing::Test {
 protected:
  PoolTest();
  ~PoolTest() override;  // takes both machines back, as they were

  static EnvId id(const std::string& text) { return *EnvId::parse(text); }
  Call call() const { return Call::within(std::chrono::seconds(60)); }
  // Environment "one" on machine "one", with a password.
  static Wanted spec(const std::string& name = "one");
  Observed ensure(const Wanted& wanted);  // as the backend does; a failure fails the test
  void make_backend();                    // as after a kill -9 of us: nothing is remembered
  void write_clean_script(const std::string& text);

  // In the namespaces of a machine, as root. `command` has no single quote.
  static Ran inside(const std::string& machine, const std::string& command);
  static Ran login(const std::string& machine, const std::string& password, const std::string& command,
                   const std::string& key = "", const std::string& user = "root");
  static std::string make_key(const std::string& name, std::string& public_line);

  physical::Settings settings;
  std::map<std::string, physical::Machine> machines;
  std::map<EnvId, std::string> held;
  std::optional<physical::PhysicalBackend> backend;
};

// A customer who is logged in and does not leave by himself.
class LiveSession {
 public:
  explicit LiveSession(const std::string& machine, const std::string& command = "exec sleep 300");
  ~LiveSession();
  bool ended(std::chrono::seconds within = std::chrono::seconds(5));

 private:
  pid_t pid_ = -1;
};

}  // namespace envgate::backends
