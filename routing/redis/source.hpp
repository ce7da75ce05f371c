// Routes from Redis. One session at a time (link.hpp); in it, first a pass over everything, then whatever the
// server says has changed. README.md has the rules in full; in short:
// - A pass is SCAN over env:*:ip and env:*:route, and a read of every environment found; then every
// environment that the table has and
//   the scan did not show is read by itself, and goes only if the server says that its keys are not there.
// - Every session, and every FLUSHALL or FLUSHDB, begins an epoch with a pass.
// - A server that is new (another run_id) and has less than half of the known routes may be one that lost its
// data
//   and is being filled again: nothing goes for `empty_grace`, then another pass decides.
// Thread: the routing thread.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_set>
#include <vector>

#include "routing/backoff.hpp"
#include "routing/redis/link.hpp"
#include "routing/redis/reads.hpp"
#include "routing/source.hpp"

namespace envgate::routing::redis {

class RedisSource : public Source {
 public:
  RedisSource(SourceHost& host, Url url, const RedisSettings& settings);

  void start() override { link_.start(); }
  void stop() override;
  void ask(const EnvId& env) override;
  void reload() override;
  void flush() override;
  bool expires() const override { return true; }

 private:
  enum class Stage : std::uint8_t { idle, scanning, confirming, waiting };

  void on_ready(const ServerInfo& info);
  void on_lost(const std::string& error);
  void on_invalidated(std::span<const std::string_view> keys);
  void on_flushed();
  void apply(const EnvId& env, const EnvValues& values);
  bool eviction_is_fine(const ServerInfo& info);

  void begin_pass();
  void begin_flushed_pass();
  void scan();
  void on_scanned(std::uint64_t pass, const redisReply& reply);
  void begin_confirming();
  void wait_for_refill(std::size_t missing);
  void pass_done();

  SourceHost& host_;
  const Url url_;
  const RedisSettings settings_;
  Link link_;
  Reads reads_;
  std::unordered_set<EnvId> asked_;  // by lookups, not answered yet; survive a lost session

  std::string run_id_;
  bool new_server_ = true;
  bool refill_waited_ = false;
  bool flushed_meanwhile_ = false;
  std::uint64_t epoch_ = 0;
  Backoff backoff_;

  Stage stage_ = Stage::idle;
  std::uint64_t pass_ = 0;
  std::string cursor_;
  bool scan_in_flight_ = false;
  std::vector<EnvId> to_confirm_;
  Loop::Time pass_began_{};
  Loop::TimerId retry_ = 0, resync_ = 0, refill_ = 0;
};

}  // namespace envgate::routing::redis
