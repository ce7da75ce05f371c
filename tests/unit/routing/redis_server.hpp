// A real redis-server of a test's own, in a directory of its own, on a unix socket (and a port if asked for);
// and a relay to stand between, which can hold back what the server answers to reads while invalidations go
// through.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "tests/unit/routing/fixtures.hpp"

struct redisContext;

namespace envgate::routing::testing {

// A loopback port that nobody has now.
std::uint16_t free_port();

class RedisServer {
 public:
  explicit RedisServer(std::vector<std::string> options = {});
  ~RedisServer();
  RedisServer(const RedisServer&) = delete;
  RedisServer& operator=(const RedisServer&) = delete;

  static bool installed();

  void start(bool wait = true, std::vector<std::string> more_options = {});
  void kill();  // SIGKILL, reaped
  void pause();
  void resume();
  // The reply as redis-cli would print it, more or less; arrays joined by spaces; "" for nil.
  std::string command(const std::vector<std::string>& arguments);
  std::string seed(const std::string& env, const std::string& ip, const std::string& port = "");
  long calls(const std::string& name);  // how often the command was run, by INFO commandstats

  std::string socket() const { return dir_ / "redis.sock"; }
  std::string url() const { return "unix://" + socket(); }
  std::string path(const std::string& name) const { return dir_ / name; }

 private:
  TempDir dir_;
  std::vector<std::string> options_;
  int pid_ = -1;
};

// Accepts on its own unix socket, and relays each connection to a server's.
class Relay {
 public:
  // Connections go to `targets` in turn (usually there is one).
  explicit Relay(std::vector<std::string> targets);
  ~Relay();
  // While held, nothing goes back on connections that have sent a command beginning with MGET.
  void hold_reads(bool hold) { hold_ = hold; }
  // Every byte either way stops, and nothing is closed: a network that went away.
  void freeze(bool frozen) { frozen_ = frozen; }
  std::string url() const { return "unix://" + (dir_ / "relay.sock"); }

 private:
  struct Pair {
    int client, server;
    bool reads = false;
  };
  void run();
  bool copy(int from, int to, Pair& pair, bool from_client);

  TempDir dir_;
  std::vector<std::string> targets_;
  int listener_;
  std::atomic<bool> hold_{false}, frozen_{false}, ending_{false};
  std::vector<Pair> pairs_;
  std::thread thread_;
};

}  // namespace envgate::routing::testing
