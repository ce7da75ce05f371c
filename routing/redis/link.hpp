// A session with one Redis server: two connections that live and die together.
//
//   push   CLIENT ID, CLIENT TRACKING ON REDIRECT <own id> BCAST PREFIX env:, SUBSCRIBE __redis__:invalidate.
//          Tracking and its messages are on one connection, so losing them is always seen. Under RESP2 a
//          subscribed connection may run only (UN)SUBSCRIBE, PING, QUIT and RESET (tried against 7.0: GET,
//          MGET and SCAN are refused), hence
//   data   every read, in order, and the canary.
//
// Losing either ends the session: what was being read is unknown, and so is what was missed.
//
// The canary writes nothing. Twice a second it sends PING down `push`: the answer comes after every
// invalidation that the server had sent, so it also bounds how late those can be. And it asks on `data` for
// CLIENT LIST ID <push's id>: the answer must carry push's random name and the flags of a tracking (t),
// broadcasting (B) subscriber (P), which shows that both connections reach the same server (behind one name
// there may be two) and that it still tracks for us. Where a server forbids CLIENT LIST, a plain PING takes
// its place. Thread: the routing thread. A callback may stop() the link, but not destroy it.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "routing/redis/connection.hpp"
#include "routing/settings.hpp"

namespace envgate::routing::redis {

struct ServerInfo {
  std::string run_id;  // empty where INFO is forbidden
  std::string version;
  std::string maxmemory_policy;  // empty where CONFIG is forbidden
};

class Link {
 public:
  struct Handlers {
    std::function<void(const ServerInfo&)> ready;
    std::function<void(std::span<const std::string_view> keys)> invalidated;
    std::function<void()> flushed;  // every key of every database may be gone
    std::function<void()> heard;
    std::function<void(const std::string& error)> lost;
  };
  using Reply = std::function<void(const redisReply&)>;

  Link(Loop& loop, const Url& url, const RedisSettings& settings, Handlers handlers);
  ~Link();

  void start();
  void stop();
  bool ready() const { return ready_; }
  // On the data connection. Replies come in order; an error reply is the caller's to judge. Requires: ready.
  void request(std::span<const std::string_view> arguments, Reply reply);
  void flush();
  // The server said something that this session cannot go on with.
  void give_up(const std::string& error);

 private:
  void data_connected();
  void data_reply(const redisReply& reply);
  void push_connected();
  void push_reply(const redisReply& reply);
  void push_message(const redisReply& reply);
  void subscribe(const std::string& id);
  void log_in(Connection& connection, std::deque<Reply>& expected);
  void expect_ok(std::deque<Reply>& expected, std::string what);
  void read_server_info();
  void half_ready();
  void canary();
  void send_canary();
  void check_tracking(const redisReply& reply);

  Loop& loop_;
  const Url url_;
  const RedisSettings settings_;
  Handlers handlers_;
  Connection data_, push_;
  std::deque<Reply> data_expected_, push_expected_;
  std::string name_;     // of the push connection, random
  std::string push_id_;  // CLIENT ID
  ServerInfo info_;
  bool data_ready_ = false, push_ready_ = false, ready_ = false, stopped_ = true;
  bool may_list_clients_ = true;
  Loop::TimerId canary_ = 0;
};

}  // namespace envgate::routing::redis
