#include "gateway/privileges.hpp"

#include <grp.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

namespace envgate::gateway {

Result<void> become(const std::string& account) {
  if (!account.empty()) {
    std::vector<char> text(16 * 1024);
    passwd entry{};
    passwd* found = nullptr;
    const int error = getpwnam_r(account.c_str(), &entry, text.data(), text.size(), &found);
    if (!found)
      return fail(
          "user: there is no account '" + account + "' (adduser --system --group " + account + " makes one)",
          error);
    if (geteuid() != entry.pw_uid || getegid() != entry.pw_gid) {
      if (initgroups(account.c_str(), entry.pw_gid) != 0 ||
          setresgid(entry.pw_gid, entry.pw_gid, entry.pw_gid) != 0 ||
          setresuid(entry.pw_uid, entry.pw_uid, entry.pw_uid) != 0)
        return fail_errno("user: cannot become '" + account + "'; start as root or leave `user` empty",
                          errno);
      if (entry.pw_uid != 0 && setresuid(0, 0, 0) == 0)
        return fail("user: the rights of root could be taken back");
    }
  }
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return fail_errno("prctl(PR_SET_NO_NEW_PRIVS)", errno);
  return {};
}

}  // namespace envgate::gateway
