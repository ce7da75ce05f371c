// The inside of Router: the routing thread, and what it owns. A source tells the book, the book writes the
// table, and at the end of each turn of the loop what has changed goes to the subscribers and, in a while, to
// disk. Thread: as marked; the rest is the routing thread's.
#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "routing/absent.hpp"
#include "routing/book.hpp"
#include "routing/loop.hpp"
#include "routing/misses.hpp"
#include "routing/router.hpp"
#include "routing/snapshot.hpp"
#include "routing/source.hpp"

namespace envgate::routing {

class Router::Core final : public SourceHost {
 public:
  explicit Core(RoutingSettings settings);
  ~Core();

  // Thread: the one that owns the Router.
  void subscribe(Changed changed) { subscribers_.push_back(std::move(changed)); }
  Result<void> start();
  void stop();

  // Thread: any.
  bool resolve(const EnvId& env, Resolved resolved);
  RouterStatus status() const;
  RoutePtr get(const EnvId& env) const;
  RoutePage list(const std::optional<EnvId>& after, std::size_t limit) const;
  void reload(const RoutingSettings& settings);
  RouteTable& table() { return table_; }
  const AbsentCache& absent() const { return absent_; }

  // SourceHost
  Loop& loop() override { return loop_; }
  RouteBook& book() override { return book_; }
  void heard() override;
  void set_state(SourceState state, const std::string& error) override;
  void fatal(const std::string& error) override;
  void set_connected(bool connected) override;
  void set_epoch(std::uint64_t epoch) override;
  const std::string& known_server() const override { return server_; }
  void set_known_server(const std::string& server) override;
  void answered(const EnvId& env) override;

 private:
  Result<void> make_source();
  void load_last_good();
  void run();
  std::chrono::milliseconds turn_end();
  void tick();
  void look_up(const EnvId& env, Resolved& resolved);
  void count_routes();
  void tell(std::vector<RouteChange> changes);
  void keep_snapshot(bool changed);
  void first_load_done(const std::string& error);
  std::chrono::nanoseconds age() const;
  RoutePolicy policy() const;

  RoutingSettings settings_;
  RouteTable table_;
  RouteBook book_;
  AbsentCache absent_;
  Misses misses_;
  Loop loop_;
  std::unique_ptr<Source> source_;
  std::unique_ptr<SnapshotWriter> snapshots_;
  std::vector<Changed> subscribers_;
  std::vector<IpAddress> own_addresses_;
  std::string server_;
  bool unsaved_ = false;   // the table differs from the file
  bool was_live_ = false;  // until then there is nothing worth saving
  Loop::Time saved_at_{};
  int idle_turns_ = 0;  // turns that ended with retired routes still waiting for a reader
  std::uint64_t ticks_ = 0;

  std::thread thread_;
  std::atomic<bool> running_{false};
  std::atomic<std::size_t> mailed_{0};       // resolves on their way to the routing thread
  std::atomic<std::int64_t> last_heard_{0};  // Clock's nanoseconds; 0: never

  mutable std::mutex status_mutex_;
  RouterStatus status_;
  std::condition_variable loaded_;
  bool first_load_done_ = false;
  std::string first_load_error_;

  mutable std::mutex admin_mutex_;
  mutable Reader admin_reader_{table_};
};

}  // namespace envgate::routing
