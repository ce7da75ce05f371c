// One non-blocking RESP2 connection: bytes out, replies in, with hiredis's reader and command formatter but
// not its event handling. It knows nothing of what the commands mean. Thread: the routing thread. A callback
// may close() the connection, but not destroy it.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "routing/loop.hpp"
#include "routing/redis/resolve.hpp"
#include "routing/redis/url.hpp"

struct redisReader;
struct redisReply;

namespace envgate::routing::redis {

class Connection {
 public:
  struct Handlers {
    std::function<void()> connected;
    std::function<void(const redisReply&)> reply;
    std::function<void(const std::string& error)> closed;  // not after close(); at most once
  };

  Connection(Loop& loop, Handlers handlers);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Resolves the host, if it is a name, on another thread. Not connected within `timeout`: closed.
  void open(const Url& url, std::chrono::milliseconds timeout);
  void close();
  bool is_open() const { return fd_ >= 0; }

  // Queues a command; it leaves with flush() or at the end of the turn. Requires: connected.
  void send(std::span<const std::string_view> arguments);
  void send(std::initializer_list<std::string_view> arguments) {
    send(std::span(arguments.begin(), arguments.size()));
  }
  void flush();
  Loop::Time heard_at() const { return heard_at_; }  // when bytes last came

 private:
  void connect_to(const std::vector<SocketAddress>& addresses);
  void on_ready(short events);
  void on_connected();
  void on_readable();
  bool take_replies();
  void set_events();
  void fail_with(const std::string& error);

  Loop& loop_;
  Handlers handlers_;
  std::string name_;  // of the peer, for errors
  int fd_ = -1;
  bool connecting_ = false;
  short events_ = 0;
  std::string out_;
  std::size_t sent_ = 0;
  redisReader* reader_ = nullptr;
  Loop::Time heard_at_{};
  Loop::TimerId timeout_ = 0;
  std::shared_ptr<Lookup> lookup_;
};

}  // namespace envgate::routing::redis
