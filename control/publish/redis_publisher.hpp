// Writes the routes to Redis, for gateways on other machines: the seed's four keys and ours, of one
// environment in one Lua call that refuses an older generation. Redis is a projection of the database: it is
// written anew after a restart of either side, after FLUSHALL, on a new server, and now and then for keys
// that it evicted, without anyone asking. No password is ever in it, and its hash only where a setting says
// so. Keys of others are never touched: which are ours is in a hash of this install's own.
//
// Thread: one of its own, which blocks; poke() and status() any.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>

#include "control/settings.hpp"
#include "control/store/database.hpp"

namespace envgate::control {

class RedisPublisher {
 public:
  struct Status {
    bool connected = false;
    std::string error;             // why not
    std::string maxmemory_policy;  // empty: not known
    long long generation = 0;      // published so far
    unsigned long long rebuilds = 0;
  };

  // Errors: the URL.
  static Result<void> check(const std::string& url);
  RedisPublisher(store::Database& database, const ControlSettings& settings, std::string install);
  ~RedisPublisher() { stop(); }
  void start();
  void stop();
  void poke();  // something was committed
  Status status() const;

 private:
  class Connection;
  void run(const std::stop_token& stop);
  Result<void> session(Connection& redis, const std::stop_token& stop);
  Result<long long> rebuild(Connection& redis);
  Result<bool> follow(Connection& redis, long long& generation);
  void wait(const std::stop_token& stop, std::chrono::milliseconds time);
  void note(const std::function<void(Status&)>& change);

  store::Database& database_;
  const ControlSettings& settings_;
  const std::string install_;
  mutable std::mutex mutex_;
  std::condition_variable_any wake_;
  bool poked_ = false;
  Status status_;
  std::jthread thread_;
};

}  // namespace envgate::control
