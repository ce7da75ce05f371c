// The admin socket in the file system, and who is at its other end.
//
// It is made while the process still has the rights to (a directory in /run), never open to more than its
// mode says, and replaced only where nobody listens: a second gateway on the same path is told so. Thread:
// main's, before others run (it sets the umask for a moment), but for check_caller.
#pragma once

#include <sys/types.h>

#include <string>

#include "base/fd.hpp"
#include "base/result.hpp"
#include "gateway/admin/message.hpp"

namespace envgate::admin {

class UnixSocket {
 public:
  UnixSocket() = default;
  UnixSocket(const UnixSocket&) = delete;
  UnixSocket& operator=(const UnixSocket&) = delete;
  ~UnixSocket() { remove(); }

  // Listens at `path`, mode 0660, owned by `account` (empty: who we are) and by `group` (empty: the account's
  // own). Makes the directory if only that is missing. Errors: what is in the way and its remedy.
  Result<Fd> listen(const std::string& path, const std::string& account, const std::string& group);

  // Takes the file away, if it is still the one that was made.
  void remove();

  gid_t group() const { return group_; }

 private:
  std::string path_;
  dev_t device_ = 0;
  ino_t inode_ = 0;
  gid_t group_ = 0;
};

// The credentials of a connected peer: allowed are root, our own effective account, and members of `group`.
Caller check_caller(int fd, gid_t group);

}  // namespace envgate::admin
