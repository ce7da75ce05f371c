// Passwords are checked on threads of their own: a good hash takes a tenth of a second and megabytes, and no
// worker may stand still for it. The queue is bounded; a stranger who fills it makes logins by password busy,
// and nothing else.
//
// Thread: submit from any; `done` runs on one of the pool's threads (it posts to its reactor).
// Owns: the passwords, which are wiped once they are checked. Source: crypt(3), crypt(5) of libxcrypt.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/result.hpp"
#include "gateway/secret.hpp"

namespace envgate::gateway {

inline constexpr std::size_t kPasswordMax = 1024;  // bytes; crypt(3) knows no longer one than 511

// Whether `verifier` is a hash that is checked here: yescrypt ($y$), sha512crypt ($6$) or bcrypt ($2a$, $2b$,
// $2y$) whole, with a cost that a thread can bear. Not DES, not md5crypt, not "*" or "!", which lock an
// account.
bool is_usable_verifier(std::string_view verifier);

// Blocking. False also where the verifier is not usable, where the password has a NUL (crypt(3) would not
// see what is behind it) and where it is longer than kPasswordMax. Compares in constant time.
bool verify_password(const Secret& password, const std::string& verifier);

// A verifier that no password matches, yescrypt with its default cost: for whom there is none, so that to be
// unknown takes as long as to be wrong. Blocking; once at start-up. Errors: no random numbers.
Result<std::string> make_dummy_verifier();

class PasswordPool {
 public:
  static constexpr unsigned kThreadsMax = 4;
  using Done = std::function<void(bool)>;
  struct Counts {
    std::uint64_t right = 0, wrong = 0, busy = 0;
  };

  // `threads` is brought into 1 to kThreadsMax; `queue`: how many wait at most, beside those being checked.
  PasswordPool(unsigned threads, std::size_t queue);
  // Waits for those being checked. What still waits is not checked, and its `done` is never called.
  ~PasswordPool();
  PasswordPool(const PasswordPool&) = delete;
  PasswordPool& operator=(const PasswordPool&) = delete;

  // False: the queue is full, and `done` is never called. `done` must not throw.
  [[nodiscard]] bool submit(Secret password, std::string verifier, Done done);

  std::size_t queued() const;
  Counts counts() const;

 private:
  struct Job {
    Secret password;
    std::string verifier;
    Done done;
  };
  void run();

  const std::size_t queue_max_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Job> queue_;
  bool stopping_ = false;
  Counts counts_;
  std::vector<std::thread> threads_;
};

}  // namespace envgate::gateway
