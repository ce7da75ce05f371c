#include "base/unix_socket.hpp"

#include <grp.h>
#include <pwd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

namespace envgate {
namespace {

constexpr int kBacklog = 64;

struct Owner {
  uid_t uid;
  gid_t gid;
};

// Begins every error, and knows the setting to change.
struct Complaint {
  const std::string& setting;
  const std::string& path;
  Failure operator()(const std::string& why, int error = 0) const {
    return fail(setting + " " + path + ": " + why, error);
  }
  std::string remedy() const { return "set " + setting + " to another path"; }
};

Result<Owner> owner_of(const UnixSocket::Options& options) {
  Owner owner{geteuid(), getegid()};
  std::vector<char> text(64 * 1024);
  if (!options.account.empty()) {
    passwd entry{}, *found = nullptr;
    getpwnam_r(options.account.c_str(), &entry, text.data(), text.size(), &found);
    if (!found) return fail("user: there is no account '" + options.account + "'");
    owner = {entry.pw_uid, entry.pw_gid};
  }
  if (options.group.empty()) return owner;
  const auto group = find_group(options.group_setting, options.group);
  if (!group) return tl::unexpected(group.error());
  owner.gid = *group;
  return owner;
}

// Only the last directory: a path that is wrong higher up is a slip, not a wish.
Result<void> make_directory(const std::string& path, const Owner& owner, const Complaint& refuse) {
  const auto slash = path.rfind('/');
  if (slash == std::string::npos || slash == 0) return {};
  const std::string directory = path.substr(0, slash);
  if (::mkdir(directory.c_str(), 0755) != 0) {
    if (errno == EEXIST) return {};
    return refuse("cannot make the directory " + directory + ": " + std::strerror(errno) +
                      "; make it (systemd: RuntimeDirectory=envgate), or " + refuse.remedy(),
                  errno);
  }
  if (::chown(directory.c_str(), owner.uid, owner.gid) != 0)
    return refuse("cannot give " + directory + " to its account: " + std::strerror(errno), errno);
  return {};
}

// A file that is already there goes away if it is a socket at which nobody listens.
Result<void> remove_stale(const std::string& path, const sockaddr_un& address, const Complaint& refuse) {
  struct stat there {};
  if (::lstat(path.c_str(), &there) != 0) return {};
  if (!S_ISSOCK(there.st_mode))
    return refuse("is there and is not a socket: remove it, or " + refuse.remedy());
  Fd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!probe) return fail_errno("socket(AF_UNIX)", errno);
  const int rc = ::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address));
  if (rc == 0 || errno == EAGAIN)
    return refuse("another envgate listens there: stop it, or " + refuse.remedy(), EADDRINUSE);
  if (errno != ECONNREFUSED && errno != ENOENT)
    return refuse(std::string("cannot tell whether it is in use: ") + std::strerror(errno), errno);
  if (::unlink(path.c_str()) != 0 && errno != ENOENT)
    return refuse(std::string("is left over and cannot be removed: ") + std::strerror(errno), errno);
  return {};
}

}  // namespace

Result<Fd> UnixSocket::listen(const std::string& path, const Options& options) {
  const Complaint refuse{options.setting, path};
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) return refuse("is too long for a socket's path");
  path.copy(address.sun_path, path.size());
  const auto owner = owner_of(options);
  if (!owner) return tl::unexpected(owner.error());
  auto ready = make_directory(path, *owner, refuse);
  if (ready) ready = remove_stale(path, address, refuse);
  if (!ready) return tl::unexpected(ready.error());

  Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return fail_errno("socket(AF_UNIX)", errno);
  const mode_t mask = ::umask(0177);  // ours alone, until owner and group are right
  const int bound = ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address));
  const int error = errno;
  ::umask(mask);
  if (bound != 0) return refuse(std::string("cannot be made: ") + std::strerror(error), error);
  struct stat made {};
  ::lstat(path.c_str(), &made);
  path_ = path, device_ = made.st_dev, inode_ = made.st_ino, group_ = owner->gid;

  const bool same = made.st_uid == owner->uid && made.st_gid == owner->gid;
  if (!same && ::chown(path.c_str(), owner->uid, owner->gid) != 0)
    return refuse(std::string("cannot be given to its account and group: ") + std::strerror(errno) +
                      "; start as root, or as a member of " + options.group_setting,
                  errno);
  if (::chmod(path.c_str(), options.mode) != 0)
    return refuse(std::string("chmod: ") + std::strerror(errno), errno);
  if (::listen(fd.get(), kBacklog) != 0) return refuse(std::string("listen: ") + std::strerror(errno), errno);
  return fd;
}

void UnixSocket::remove() {
  if (path_.empty()) return;
  struct stat there {};
  // Where the directory is root's and we no longer are, the file stays; the next start takes it for stale.
  if (::lstat(path_.c_str(), &there) == 0 && there.st_dev == device_ && there.st_ino == inode_)
    ::unlink(path_.c_str());
  path_.clear();
}

Result<Peer> peer_of(int fd) {
  ucred credentials{};
  socklen_t length = sizeof(credentials);
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &length) != 0)
    return fail_errno("SO_PEERCRED", errno);
  Peer peer{credentials.pid, credentials.uid, credentials.gid, {}};
  // Supplementary groups, as they were when the peer connected (unix(7), Linux 4.13).
  peer.groups.resize(256);
  length = static_cast<socklen_t>(peer.groups.size() * sizeof(gid_t));
  int rc = ::getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, peer.groups.data(), &length);
  if (rc != 0 && errno == ERANGE) {
    peer.groups.resize(length / sizeof(gid_t));
    rc = ::getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, peer.groups.data(), &length);
  }
  peer.groups.resize(rc == 0 ? length / sizeof(gid_t) : 0);
  return peer;
}

bool Peer::in_group(gid_t group) const {
  return gid == group || std::find(groups.begin(), groups.end(), group) != groups.end();
}

bool Peer::is_ours() const { return uid == 0 || uid == geteuid(); }

Result<gid_t> find_group(const std::string& setting, const std::string& name) {
  std::vector<char> text(64 * 1024);
  group entry{}, *found = nullptr;
  getgrnam_r(name.c_str(), &entry, text.data(), text.size(), &found);
  if (!found)
    return fail(setting + ": there is no group '" + name + "' (groupadd --system " + name + " makes one)");
  return entry.gr_gid;
}

}  // namespace envgate
