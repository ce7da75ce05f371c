#include "routing/snapshot.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <ctime>

#include "base/log.hpp"
#include "base/metrics.hpp"
#include "routing/read_file.hpp"
#include "routing/route_json.hpp"
#include "routing/timestamp.hpp"

namespace envgate::routing {
namespace {

constexpr std::string_view kRoutePrefix = "- ";
constexpr std::string_view kServerPrefix = "server: \"";
constexpr std::string_view kEndPrefix = "# end: ";

// FNV-1a, 64 bits: enough to notice a torn or edited file; it is no signature.
std::uint64_t checksum(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325ULL;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  return hash;
}

std::string end_line(std::size_t routes, std::uint64_t sum) {
  char text[96];
  std::snprintf(text, sizeof text, "# end: %zu routes, fnv1a64 %016llx\n", routes,
                static_cast<unsigned long long>(sum));
  return text;
}

// Takes the last line off `text` and checks that it fits what is before it.
Result<std::size_t> check_end(std::string_view& text) {
  const std::size_t end = text.rfind(kEndPrefix);
  if (end == std::string_view::npos || (end > 0 && text[end - 1] != '\n'))
    return fail("it is cut short: no end line");
  const std::string_view line = text.substr(end);
  text = text.substr(0, end);
  std::size_t count = 0;
  const char* digits = line.data() + kEndPrefix.size();
  std::from_chars(digits, line.data() + line.size(), count);
  if (line != end_line(count, checksum(text)))
    return fail("its checksum is wrong: it was cut short or altered");
  return count;
}

Result<void> write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t size = ::write(fd, text.data(), text.size());
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return fail_errno("write", errno);
    text.remove_prefix(static_cast<std::size_t>(size));
  }
  if (::fsync(fd) != 0) return fail_errno("fsync", errno);
  return {};
}

// The rename itself must reach the disk too.
void sync_directory(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  const std::string directory = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  const int fd = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  (void)::fsync(fd);
  ::close(fd);
}

}  // namespace

std::string format_snapshot(const std::vector<RoutePtr>& routes, const std::string& server,
                            std::int64_t now) {
  std::string text(kSnapshotHeader);
  text.append("\nsaved_at: ")
      .append(format_timestamp(now))
      .append("\nserver: \"")
      .append(server)
      .append("\"\n");
  text.append(routes.empty() ? "routes: []\n" : "routes:\n");
  for (const RoutePtr& route : routes) {
    text.append(kRoutePrefix);
    append_json(text, *route, Detail::full);
    text += '\n';
  }
  text += end_line(routes.size(), checksum(text));
  return text;
}

Result<Snapshot> parse_snapshot(std::string_view text) {
  if (!text.starts_with(kSnapshotHeader)) return fail("it is not a snapshot of routes");
  const auto count = check_end(text);
  if (!count) return Failure(count.error());
  Snapshot snapshot;
  snapshot.routes.reserve(std::min(*count, text.size() / 64));
  while (!text.empty()) {
    const std::size_t newline = text.find('\n');
    std::string_view line = text.substr(0, newline);
    text.remove_prefix(newline == std::string_view::npos ? text.size() : newline + 1);
    if (line.starts_with(kServerPrefix)) {
      line.remove_prefix(kServerPrefix.size());
      snapshot.server = line.substr(0, line.find('"'));
    } else if (line.starts_with(kRoutePrefix)) {
      auto route = parse_route_json(line.substr(kRoutePrefix.size()));
      if (route) {
        snapshot.routes.push_back(std::move(*route));
      } else {
        ++snapshot.skipped;
      }
    }
  }
  if (snapshot.routes.size() + snapshot.skipped != *count)
    return fail("it has another number of routes than its end line says");
  return snapshot;
}

Result<Snapshot> load_snapshot(const std::string& path) {
  const auto text = read_file(path);
  if (!text) return Failure(text.error());
  auto snapshot = parse_snapshot(*text);
  if (!snapshot) return fail("snapshot " + path + ": " + snapshot.error().message);
  struct stat status {};
  if (::stat(path.c_str(), &status) == 0) snapshot->heard_at = status.st_mtim.tv_sec;
  return snapshot;
}

Result<void> save_snapshot(const std::string& path, std::string_view text) {
  const std::string fresh = path + ".new";
  const int fd = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return fail_errno("open " + fresh, errno);
  const auto written = write_all(fd, text);
  ::close(fd);
  if (!written) {
    ::unlink(fresh.c_str());
    return fail(fresh + ": " + written.error().message, written.error().code);
  }
  if (::rename(fresh.c_str(), path.c_str()) != 0) return fail_errno("rename " + fresh + " to " + path, errno);
  sync_directory(path);
  return {};
}

void touch_snapshot(const std::string& path) { (void)::utimensat(AT_FDCWD, path.c_str(), nullptr, 0); }

SnapshotWriter::SnapshotWriter(std::string path) : path_(std::move(path)), thread_([this] { work(); }) {}

SnapshotWriter::~SnapshotWriter() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

bool SnapshotWriter::submit(std::vector<RoutePtr> routes, std::string server) {
  {
    const std::lock_guard lock(mutex_);
    if (job_ || busy_) return false;
    job_ = Job{std::move(routes), std::move(server)};
  }
  wake_.notify_one();
  return true;
}

void SnapshotWriter::work() {
  auto& failures =
      metrics::counter("envgate_route_snapshot_failures_total", "Snapshots that could not be written.");
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [&] { return job_ || ending_; });
    if (!job_) return;
    Job job = std::move(*job_);
    job_.reset();
    busy_ = true;
    lock.unlock();
    const auto start = std::chrono::steady_clock::now();
    const auto saved = save_snapshot(path_, format_snapshot(job.routes, job.server, std::time(nullptr)));
    if (!saved) {
      failures.add();
      log::error("route_snapshot_failed").error(saved.error());
    }
    job = {};
    cost_ms_ = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - start)
                   .count();
    lock.lock();
    busy_ = false;
  }
}

}  // namespace envgate::routing
