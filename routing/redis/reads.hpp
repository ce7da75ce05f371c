// The reads of environments on one Redis session: which are waiting, which are on their way, and which of
// those were overtaken by a change. Several environments go into one MGET (each MGET is atomic, so the five
// keys of one environment always belong together), and several MGETs are on their way at once.
//
// "A change that arrives during a read wins": an invalidation for an environment whose read is on its way
// marks the read; its reply is thrown away and the environment is read again. Replies come in the order of
// the commands, so the second one is never older than the change. Under an unending storm of changes the
// eighth reply in a row is believed none the less (it is newer than anything held), and the next read is
// already on its way. Thread: the routing thread.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "routing/names.hpp"
#include "routing/redis/link.hpp"

namespace envgate::routing::redis {

// The five keys of an environment, as MGET gave them.
struct EnvValues {
  std::optional<std::string_view> ip, ssh_port, type, access_info, route;
};

// "env:<id>:ip" and the four others; nothing for any other key.
struct EnvKey {
  EnvId env;
  bool locates = false;  // ip or route: without one of these there is no route
};
std::optional<EnvKey> parse_key(std::string_view key);

class Reads {
 public:
  using Apply = std::function<void(const EnvId&, const EnvValues&)>;

  Reads(Link& link, Apply apply) : link_(link), apply_(std::move(apply)) {}

  // Soon: somebody waits for it, or it has changed.
  void urgent(const EnvId& env);
  void changed(const EnvId& env);
  // As part of a pass over everything; `bulk_left` counts these.
  void bulk(const EnvId& env);
  std::size_t bulk_left() const { return bulk_left_; }
  bool bulk_full() const { return bulk_.size() >= 2000; }
  // Everything may have changed: no read on its way counts.
  void all_changed();
  // Bulk reads that are waiting are forgotten; those on their way no longer count as such.
  void drop_bulk();
  void clear();
  // Sends what is waiting, as far as the bounds on what may be on its way allow.
  void pump();

 private:
  struct Reading {
    bool in_flight = false;
    bool overtaken = false;
    bool is_bulk = false;
    std::uint8_t again = 0;
  };
  void send_batch(std::deque<EnvId>& queue);
  void on_reply(const std::vector<EnvId>& envs, const redisReply& reply);
  void finish(const EnvId& env, const EnvValues& values);

  Link& link_;
  Apply apply_;
  std::unordered_map<EnvId, Reading> reading_;
  std::deque<EnvId> urgent_, bulk_;  // may hold what has been sent since, or twice
  std::size_t bulk_left_ = 0;
  std::size_t batches_ = 0;  // on their way
};

}  // namespace envgate::routing::redis
