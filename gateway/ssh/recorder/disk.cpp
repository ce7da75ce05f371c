#include "gateway/ssh/recorder/disk.hpp"

#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>

#include "base/fd.hpp"
#include "base/log.hpp"
#include "base/metrics.hpp"
#include "base/units.hpp"

namespace envgate::ssh::recorder {
namespace {

constexpr std::size_t kProbe = 64 * 1024;  // as much as a block of a record

metrics::Gauge& writable() {
  static metrics::Gauge& gauge =
      metrics::gauge("envgate_records_writable", "1 where records of sessions can be written.");
  return gauge;
}

}  // namespace

void Disk::failed(const Error& error) {
  failure_ = error.message;
  tell(failure_);
}

Result<void> Disk::try_writing() const {
  const std::string path = directory_ + "/.probe";
  const Fd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!fd) return fail_errno("create " + path, errno);
  ::unlink(path.c_str());
  const std::string bytes(kProbe, '\n');
  const ssize_t written = ::write(fd.get(), bytes.data(), bytes.size());
  if (written < 0) return fail_errno("write " + path, errno);
  if (static_cast<std::size_t>(written) < bytes.size()) return fail_errno("write " + path, ENOSPC);
  if (::fsync(fd.get()) != 0) return fail_errno("fsync " + path, errno);
  return {};
}

void Disk::look() {
  struct statvfs state {};
  if (::statvfs(directory_.c_str(), &state) != 0) {
    const int error = errno;
    tell(fail_errno("statvfs " + directory_, error).value().message);
    return;
  }
  free_ = std::uint64_t{state.f_bavail} * state.f_frsize;
  if (min_free_ > 0 && free_ < min_free_) {
    tell(directory_ + " has " + format_bytes({free_}) + " left, less than audit.records.min_free (" +
         format_bytes({min_free_}) + "): make room, or lower it");
    return;
  }
  if (failure_) {
    if (const auto tried = try_writing(); !tried) {
      failure_ = tried.error().message;
      tell(failure_);
      return;
    }
    failure_.reset();
  }
  tell(std::nullopt);
}

void Disk::tell(std::optional<std::string> trouble) {
  const bool before = trouble_.has_value(), now = trouble.has_value();
  trouble_ = std::move(trouble);
  writable().set(now ? 0 : 1);
  if (now && !before) log::error("records_trouble").text("error", *trouble_);
  if (before && !now) log::info("records_well_again");
}

}  // namespace envgate::ssh::recorder
