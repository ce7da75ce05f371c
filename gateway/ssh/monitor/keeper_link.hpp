// The gateway's end of the socket to the keeper, the warm parent of all session processes: starts it, has it
// fork a session, has it kill one, and hears how each ended. A keeper that dies takes its sessions with it,
// and is started again. Thread: spawn and kill, any; the rest, main's. Owns: the keeper, which ends with it.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "base/fd.hpp"
#include "base/result.hpp"
#include "gateway/ssh/monitor/messages.hpp"

namespace envgate::ssh::monitor {

class KeeperLink {
 public:
  struct Options {
    std::string program;  // empty: envgate-session, beside the running program
    std::string account;  // that it becomes, where we are root; empty: ours
  };
  // On the link's own thread: one session process has gone; the keeper, and every session with it.
  using OnGone = std::function<void(const Gone&)>;
  using OnLost = std::function<void()>;

  // Errors: the program cannot be started; its remedy. Requires: started before rights are dropped.
  static Result<std::unique_ptr<KeeperLink>> start(Options options);
  ~KeeperLink();
  KeeperLink(const KeeperLink&) = delete;
  KeeperLink& operator=(const KeeperLink&) = delete;

  void listen(OnGone gone, OnLost lost);  // once

  // The keeper's copies of the descriptors become the session's; the caller closes its own. False: no keeper
  // now.
  bool spawn(std::uint64_t id, int client, int monitor);
  void kill(std::uint64_t id);

 private:
  explicit KeeperLink(Options options) : options_(std::move(options)) {}
  Result<void> launch();
  void hear();
  bool relaunch();

  const Options options_;
  OnGone gone_;
  OnLost lost_;
  std::mutex mutex_;  // socket_
  Fd socket_;
  int pid_ = -1;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace envgate::ssh::monitor
