#include "gateway/ssh/session/keeper.hpp"

#include <libssh/libssh.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <unordered_map>

#include "gateway/ssh/monitor/messages.hpp"
#include "gateway/ssh/monitor/packet_socket.hpp"
#include "gateway/ssh/session/jump.hpp"
#include "gateway/ssh/session/login.hpp"
#include "gateway/ssh/session/relay.hpp"
#include "gateway/ssh/session/sandbox.hpp"

namespace envgate::ssh::session {
namespace {

constexpr std::size_t kKeeperMessageMax = 64;
constexpr int kSandboxRefused = 3;  // exit statuses of a session process
constexpr int kDone = 0;
constexpr std::chrono::seconds kSeeThemGo{6};  // more than their last words may take

std::uint64_t milliseconds(const timeval& time) {
  return static_cast<std::uint64_t>(time.tv_sec) * 1000 + static_cast<std::uint64_t>(time.tv_usec) / 1000;
}

// Sessions go before the gateway, whatever it was started with, when memory is short.
void be_expendable() {
  if (std::FILE* const file = std::fopen("/proc/self/oom_score_adj", "w")) {
    std::fputs("200", file);
    std::fclose(file);
  }
}

int run_session(Fd client_socket, Fd monitor) {
  be_expendable();
  if (auto boxed = enter_sandbox(Bounds{}); !boxed) {
    std::fprintf(stderr, "envgate-session: %s\n", boxed.error().message.c_str());
    return kSandboxRefused;
  }
  Link link(std::move(monitor));
  ClientLeg client;
  TargetLeg target;
  const auto admitted = log_in(link, std::move(client_socket), client, target);
  if (!admitted) return kDone;
  lift_login_bounds();
  if (admitted->jump)
    serve_jumps(link, client);
  else
    relay(link, client, target, admitted->policy);
  return kDone;
}

class Keeper {
 public:
  explicit Keeper(Fd gateway) : gateway_(std::move(gateway)) {}
  int run();

 private:
  bool hear();
  void spawn(std::uint64_t id, Fd client, Fd monitor);
  [[noreturn]] void become_session(Fd client, Fd monitor);
  void reap();
  void see_them_go();
  void tell_gone(std::uint64_t id, int status, std::uint64_t cpu);

  Fd gateway_;
  Fd signals_;
  sigset_t before_{};
  std::unordered_map<pid_t, std::uint64_t> sessions_;
};

// Blocking: the gateway always reads.
void Keeper::tell_gone(std::uint64_t id, int status, std::uint64_t cpu) {
  (void)monitor::send_packet(gateway_.get(),
                             monitor::encode(monitor::KeeperMessage(monitor::Gone{id, status, cpu})));
}

void Keeper::become_session(Fd client, Fd monitor) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  gateway_.reset();
  signals_.reset();
  sigprocmask(SIG_SETMASK, &before_, nullptr);
  _exit(run_session(std::move(client), std::move(monitor)));
}

void Keeper::spawn(std::uint64_t id, Fd client, Fd monitor) {
  const pid_t child = fork();
  if (child == 0) become_session(std::move(client), std::move(monitor));
  if (child > 0)
    sessions_.emplace(child, id);
  else
    tell_gone(id, -errno, 0);  // its two descriptors close here: both ends see it
}

bool Keeper::hear() {
  monitor::Packet packet;
  const auto got = monitor::receive_packet(gateway_.get(), kKeeperMessageMax, packet);
  if (!got || *got == monitor::Transfer::end) return false;
  const auto message = monitor::decode_keeper(packet.bytes);
  if (!message) return false;
  if (const auto* const spawned = std::get_if<monitor::Spawn>(&*message)) {
    spawn(spawned->id, std::move(packet.descriptors[0]), std::move(packet.descriptors[1]));
  } else if (const auto* const doomed = std::get_if<monitor::Kill>(&*message)) {
    for (const auto& [pid, id] : sessions_)
      if (id == doomed->id) ::kill(pid, SIGKILL);
  }
  return true;
}

void Keeper::reap() {
  signalfd_siginfo read_away;
  while (::read(signals_.get(), &read_away, sizeof read_away) > 0) {
  }
  int status = 0;
  rusage usage{};
  for (pid_t pid = 0; (pid = wait4(-1, &status, WNOHANG, &usage)) > 0;) {
    const auto found = sessions_.find(pid);
    if (found == sessions_.end()) continue;
    tell_gone(found->second, status, milliseconds(usage.ru_utime) + milliseconds(usage.ru_stime));
    sessions_.erase(found);
  }
}

int Keeper::run() {
  sigset_t ours;
  sigemptyset(&ours);
  sigaddset(&ours, SIGCHLD);
  sigprocmask(SIG_BLOCK, &ours, &before_);
  sigdelset(&before_, SIGCHLD);
  signals_ = Fd(signalfd(-1, &ours, SFD_NONBLOCK | SFD_CLOEXEC));
  if (!signals_) return 1;
  for (;;) {
    pollfd fds[2] = {{gateway_.get(), POLLIN, 0}, {signals_.get(), POLLIN, 0}};
    if (::poll(fds, 2, -1) < 0 && errno != EINTR) return 1;
    if (fds[1].revents) reap();
    if (fds[0].revents && !hear()) break;
  }
  see_them_go();
  return 0;
}

// The gateway has ended, and told the sessions so: they have last words for their ends.
void Keeper::see_them_go() {
  const auto until = std::chrono::steady_clock::now() + kSeeThemGo;
  while (!sessions_.empty() && std::chrono::steady_clock::now() < until) {
    pollfd look{signals_.get(), POLLIN, 0};
    ::poll(&look, 1, 100);
    reap();
  }
}

// What a session would do first, done once here: pages and tables that its fork then shares.
bool warm_up() {
  if (ssh_init() != SSH_OK) return false;
  const TargetLeg touched;
  return !touched.public_key().empty();
}

}  // namespace

int keep(Fd gateway) {
  ::signal(SIGPIPE, SIG_IGN);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGUSR1})
    ::signal(signal, SIG_IGN);  // of the gateway's terminal
  if (!warm_up()) {
    std::fprintf(stderr, "envgate-session: libssh does not start\n");
    return 1;
  }
  return Keeper(std::move(gateway)).run();
}

}  // namespace envgate::ssh::session
