// A control socket in the file system, and who is at its other end.
//
// It is made while the process still has the rights to (a directory in /run), never open to more than its
// mode says, and replaced only where nobody listens: a second program on the same path is told so. Thread:
// main's, before others run (it sets the umask for a moment), but for peer_of.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "base/fd.hpp"
#include "base/result.hpp"

namespace envgate {

class UnixSocket {
 public:
  UnixSocket() = default;
  UnixSocket(const UnixSocket&) = delete;
  UnixSocket& operator=(const UnixSocket&) = delete;
  ~UnixSocket() { remove(); }

  struct Options {
    std::string setting;         // "admin.socket": begins each error
    std::string account, group;  // who owns it; empty: who we are, and the account's own
    std::string group_setting;   // "admin.group"
    mode_t mode = 0660;
  };
  // Makes the directory if only that is missing. Errors: what is in the way and its remedy.
  Result<Fd> listen(const std::string& path, const Options& options);

  // Takes the file away, if it is still the one that was made.
  void remove();

  gid_t group() const { return group_; }

 private:
  std::string path_;
  dev_t device_ = 0;
  ino_t inode_ = 0;
  gid_t group_ = 0;
};

// The credentials of a connected peer, as the kernel vouches for them (unix(7), SO_PEERCRED).
struct Peer {
  pid_t pid = 0;
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups;  // supplementary
  bool in_group(gid_t group) const;
  bool is_ours() const;  // root, or our own effective account
};
Result<Peer> peer_of(int fd);

// Errors: there is no such group.
Result<gid_t> find_group(const std::string& setting, const std::string& name);

}  // namespace envgate
