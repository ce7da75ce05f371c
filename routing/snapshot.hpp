// The last good table on disk, so that a gateway starts with its store away. It is a route file
// (route_file.hpp) with one route in JSON on each line, a header, and a last line with the count and a
// checksum: readable by people, fast to load, and a torn or altered file is noticed. The file's modification
// time says when the store was last heard (see touch): the content is only rewritten when a route changes.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/result.hpp"
#include "routing/route.hpp"

namespace envgate::routing {

struct Snapshot {
  std::vector<RouteSpec> routes;  // in the order that settles contested ports
  std::string server;             // which server they came from: a Redis run_id, or empty
  std::size_t skipped = 0;        // routes that another version wrote and this one cannot read
  std::int64_t heard_at = 0;      // when the store was last heard, seconds since 1970
};

inline constexpr std::string_view kSnapshotHeader = "# envgate routes, last good table";

std::string format_snapshot(const std::vector<RoutePtr>& routes, const std::string& server, std::int64_t now);
// Errors: not a snapshot, cut short or altered.
Result<Snapshot> parse_snapshot(std::string_view text);
// Errors: as above, and the file cannot be read. `code` is ENOENT where there is none.
Result<Snapshot> load_snapshot(const std::string& path);
// Writes beside the file, syncs, and renames over it: after a crash there is the old one or the new one. Mode
// 0600.
Result<void> save_snapshot(const std::string& path, std::string_view text);
void touch_snapshot(const std::string& path);

// Writes snapshots on a thread of its own, since fsync(2) may take seconds. Thread: the routing thread.
class SnapshotWriter {
 public:
  explicit SnapshotWriter(std::string path);
  ~SnapshotWriter();  // finishes the one under way
  // False if the one before is still being written.
  bool submit(std::vector<RoutePtr> routes, std::string server);
  // How long the last one took.
  std::chrono::milliseconds cost() const { return std::chrono::milliseconds(cost_ms_.load()); }

 private:
  struct Job {
    std::vector<RoutePtr> routes;
    std::string server;
  };
  void work();

  const std::string path_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::optional<Job> job_;
  std::atomic<std::int64_t> cost_ms_{0};
  bool busy_ = false;
  bool ending_ = false;
  std::thread thread_;
};

}  // namespace envgate::routing
