#include "routing/file_source.hpp"

#include <poll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "base/log.hpp"
#include "base/metrics.hpp"
#include "routing/read_file.hpp"
#include "routing/route_file.hpp"

namespace envgate::routing {
namespace {

constexpr std::chrono::milliseconds kSettle{10};  // a rename is several events
constexpr std::chrono::milliseconds kLook{2000};

metrics::Counter& loads(const char* result) {
  return metrics::counter("envgate_route_file_loads_total", "Times the route file was read.",
                          {{"result", result}});
}

}  // namespace

FileSource::FileSource(SourceHost& host, std::string path) : host_(host), path_(std::move(path)) {}

FileSource::~FileSource() { stop(); }

void FileSource::start() {
  host_.book().settle();  // who is first at a port is told by the order in the file
  watch_directory();
  load();
  clock_ = host_.loop().after(kLook, [this] { look(); });
}

void FileSource::stop() {
  host_.loop().cancel(soon_);
  host_.loop().cancel(clock_);
  if (inotify_fd_ < 0) return;
  host_.loop().unwatch(inotify_fd_);
  ::close(inotify_fd_);
  inotify_fd_ = -1;
}

void FileSource::watch_directory() {
  const std::size_t slash = path_.rfind('/');
  const std::string directory = slash == std::string::npos ? "." : path_.substr(0, slash + 1);
  inotify_fd_ = ::inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
  // Any event in the directory: the file may be a symbolic link that goes through another entry of it.
  if (inotify_fd_ < 0 || ::inotify_add_watch(inotify_fd_, directory.c_str(),
                                             IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE |
                                                 IN_CREATE | IN_ONLYDIR) < 0) {
    log::warn("route_file_not_watched")
        .text("path", path_)
        .error(Error{fail_errno("inotify on " + directory, errno).value()})
        .text("remedy", "changes are still seen, within 4 seconds");
  }
  if (inotify_fd_ >= 0) {
    host_.loop().watch(inotify_fd_, POLLIN, [this](short) { on_inotify(); });
  }
}

void FileSource::on_inotify() {
  alignas(inotify_event) std::array<char, 4096> events;
  while (::read(inotify_fd_, events.data(), events.size()) > 0) {
  }
  load_soon();
}

void FileSource::load_soon() {
  if (soon_ != 0) return;
  soon_ = host_.loop().after(kSettle, [this] {
    soon_ = 0;
    if (stamp() != loaded_) load();
  });
}

// A change that inotify did not tell of is taken once the file has been still for a whole interval, since
// whoever writes it may be half-way.
void FileSource::look() {
  clock_ = host_.loop().after(kLook, [this] { look(); });
  const Stamp now = stamp();
  if (now != loaded_ && now == last_look_) load();
  last_look_ = now;
}

FileSource::Stamp FileSource::stamp() const {
  struct stat status {};
  if (::stat(path_.c_str(), &status) != 0) return {};
  const auto nanoseconds = [](const timespec& time) { return time.tv_sec * 1'000'000'000 + time.tv_nsec; };
  return {status.st_ino, status.st_size, nanoseconds(status.st_mtim), nanoseconds(status.st_ctim)};
}

void FileSource::load() {
  loaded_ = stamp();
  const auto text = read_file(path_);
  auto routes = text ? parse_route_file(path_, *text) : Result<std::vector<RouteSpec>>(Failure(text.error()));
  host_.set_connected(text.has_value());
  if (!routes) {
    loads("error").add();
    log::error("route_file_bad")
        .error(routes.error())
        .text("remedy", "the last good routes stay; mend the file");
    host_.set_state(SourceState::stale, routes.error().message);
    if (loads_ == 0) host_.fatal(routes.error().message);
    return;
  }
  loads("ok").add();
  RouteBook& book = host_.book();
  book.begin_epoch();  // the file is the operator's word: older generations are believed
  const std::size_t count = routes->size();
  for (RouteSpec& route : *routes) book.put(std::move(route));
  for (const EnvId& env : book.unseen()) book.remove(env);
  host_.set_epoch(++loads_);
  host_.heard();
  host_.set_state(SourceState::live, "");
  log::info("route_file_loaded").text("path", path_).number("routes", static_cast<std::int64_t>(count));
}

}  // namespace envgate::routing
