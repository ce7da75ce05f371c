// A control plane of a test's own: a Unix socket that answers the feed's request with whatever the test says,
// on one connection at a time. Thread: the test's; another accepts.
#pragma once

#include <atomic>
#include <mutex>
#include <string>
#include <thread>

#include "tests/unit/routing/fixtures.hpp"

namespace envgate::routing::testing {

class FeedServer {
 public:
  explicit FeedServer(std::string path);
  ~FeedServer();
  FeedServer(const FeedServer&) = delete;
  FeedServer& operator=(const FeedServer&) = delete;

  void start();
  void stop();  // closes the connection and takes the socket away, as a process that ends
  // What every connection gets from now on, once it has asked: its head and its first lines.
  void greet(std::string bytes);
  void send(const std::string& bytes);  // to the connection of now
  void drop();                          // closes it
  int connections() const { return connections_; }
  std::string request() const;  // the last one

 private:
  void serve();
  std::string path_;
  int listener_ = -1;
  std::thread thread_;
  std::atomic<bool> ending_{false};
  std::atomic<int> connections_{0};
  mutable std::mutex mutex_;  // the rest
  std::string greeting_, request_;
  int connection_ = -1;
};

}  // namespace envgate::routing::testing
