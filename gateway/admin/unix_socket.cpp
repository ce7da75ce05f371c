#include "gateway/admin/unix_socket.hpp"

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

namespace envgate::admin {
namespace {

constexpr int kBacklog = 64;

struct Owner {
  uid_t uid;
  gid_t gid;
};

Failure refuse(const std::string& path, const std::string& why, int error = 0) {
  return fail("admin.socket " + path + ": " + why, error);
}

Result<Owner> owner_of(const std::string& account, const std::string& group) {
  Owner owner{geteuid(), getegid()};
  std::vector<char> text(64 * 1024);
  if (!account.empty()) {
    passwd entry{}, *found = nullptr;
    getpwnam_r(account.c_str(), &entry, text.data(), text.size(), &found);
    if (!found) return fail("user: there is no account '" + account + "'");
    owner = {entry.pw_uid, entry.pw_gid};
  }
  if (!group.empty()) {
    ::group entry{}, *found = nullptr;
    getgrnam_r(group.c_str(), &entry, text.data(), text.size(), &found);
    if (!found)
      return fail("admin.group: there is no group '" + group + "' (groupadd --system " + group +
                  " makes one)");
    owner.gid = entry.gr_gid;
  }
  return owner;
}

// Only the last directory: a path that is wrong higher up is a slip, not a wish.
Result<void> make_directory(const std::string& path, const Owner& owner) {
  const auto slash = path.rfind('/');
  if (slash == std::string::npos || slash == 0) return {};
  const std::string directory = path.substr(0, slash);
  if (::mkdir(directory.c_str(), 0755) != 0) {
    if (errno == EEXIST) return {};
    return refuse(path,
                  "cannot make the directory " + directory + ": " + std::strerror(errno) +
                      "; make it (systemd: RuntimeDirectory=envgate), or set admin.socket to another path",
                  errno);
  }
  if (::chown(directory.c_str(), owner.uid, owner.gid) != 0)
    return refuse(path, "cannot give " + directory + " to its account: " + std::strerror(errno), errno);
  return {};
}

// A file that is already there goes away if it is a socket at which nobody listens.
Result<void> remove_stale(const std::string& path, const sockaddr_un& address) {
  struct stat there {};
  if (::lstat(path.c_str(), &there) != 0) return {};
  if (!S_ISSOCK(there.st_mode))
    return refuse(path, "is there and is not a socket: remove it, or set admin.socket to another path");
  Fd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!probe) return fail_errno("socket(AF_UNIX)", errno);
  const int rc = ::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address));
  if (rc == 0 || errno == EAGAIN)
    return refuse(path, "another envgate listens there: stop it, or set admin.socket to another path",
                  EADDRINUSE);
  if (errno != ECONNREFUSED && errno != ENOENT)
    return refuse(path, std::string("cannot tell whether it is in use: ") + std::strerror(errno), errno);
  if (::unlink(path.c_str()) != 0 && errno != ENOENT)
    return refuse(path, std::string("is left over and cannot be removed: ") + std::strerror(errno), errno);
  return {};
}

}  // namespace

Result<Fd> UnixSocket::listen(const std::string& path, const std::string& account,
                              const std::string& group) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) return refuse(path, "is too long for a socket's path");
  path.copy(address.sun_path, path.size());
  const auto owner = owner_of(account, group);
  if (!owner) return tl::unexpected(owner.error());
  auto ready = make_directory(path, *owner);
  if (ready) ready = remove_stale(path, address);
  if (!ready) return tl::unexpected(ready.error());

  Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return fail_errno("socket(AF_UNIX)", errno);
  const mode_t mask = ::umask(0177);  // ours alone, until owner and group are right
  const int bound = ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address));
  const int error = errno;
  ::umask(mask);
  if (bound != 0) return refuse(path, std::string("cannot be made: ") + std::strerror(error), error);
  struct stat made {};
  ::lstat(path.c_str(), &made);
  path_ = path, device_ = made.st_dev, inode_ = made.st_ino, group_ = owner->gid;

  const bool same = made.st_uid == owner->uid && made.st_gid == owner->gid;
  if (!same && ::chown(path.c_str(), owner->uid, owner->gid) != 0)
    return refuse(path,
                  std::string("cannot be given to its account and group: ") + std::strerror(errno) +
                      "; start as root, or as a member of admin.group",
                  errno);
  if (::chmod(path.c_str(), 0660) != 0)
    return refuse(path, std::string("chmod: ") + std::strerror(errno), errno);
  if (::listen(fd.get(), kBacklog) != 0)
    return refuse(path, std::string("listen: ") + std::strerror(errno), errno);
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

Caller check_caller(int fd, gid_t group) {
  Caller caller;
  ucred peer{};
  socklen_t length = sizeof(peer);
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0) return caller;
  caller = {true, false, peer.pid, peer.uid, peer.gid};
  caller.allowed = peer.uid == 0 || peer.uid == geteuid() || peer.gid == group;
  if (caller.allowed) return caller;
  // Supplementary groups, as they were when the peer connected (unix(7), Linux 4.13).
  std::vector<gid_t> groups(256);
  length = static_cast<socklen_t>(groups.size() * sizeof(gid_t));
  int rc = ::getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &length);
  if (rc != 0 && errno == ERANGE) {
    groups.resize(length / sizeof(gid_t));
    rc = ::getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &length);
  }
  if (rc != 0) return caller;
  groups.resize(length / sizeof(gid_t));
  caller.allowed = std::find(groups.begin(), groups.end(), group) != groups.end();
  return caller;
}

}  // namespace envgate::admin
