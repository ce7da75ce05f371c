#include "backends/physical/process.hpp"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <thread>

#include "base/fd.hpp"
#include "base/result.hpp"

namespace envgate::backends::physical {
namespace {

constexpr std::size_t kMostWords = 16 << 10;
constexpr auto kTick = std::chrono::milliseconds(50);  // how soon a cancel is seen

struct Ends {
  Fd ours, theirs;
};

// A socket and no pipe: a send to a program that has ended must not raise SIGPIPE.
bool connect(Ends& ends) {
  int fds[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0) return false;
  ends.ours = Fd(fds[0]);
  ends.theirs = Fd(fds[1]);
  return fcntl(fds[0], F_SETFL, O_NONBLOCK) == 0;
}

class Child {
 public:
  ~Child() {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);  // not reaped yet: it is still this one
    while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }

  int start(const std::vector<std::string>& argv, const Fd& in, const Fd& out, const Fd& err);

  // Its exit status, once it has ended.
  std::optional<int> ended() {
    int status = 0;
    const pid_t got = waitpid(pid_, &status, WNOHANG);
    if (got == 0 || (got < 0 && errno == EINTR)) return std::nullopt;
    pid_ = -1;
    if (got < 0) return 127;  // SIGCHLD is ignored in this process: nobody will ever know
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

 private:
  pid_t pid_ = -1;
};

int Child::start(const std::vector<std::string>& argv, const Fd& in, const Fd& out, const Fd& err) {
  if (access(argv[0].c_str(), X_OK) != 0) return errno;
  std::vector<char*> words;
  for (const std::string& word : argv) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  char path[] = "PATH=/usr/bin:/bin", locale[] = "LC_ALL=C", never[] = "SSH_ASKPASS_REQUIRE=never";
  char* environment[] = {path, locale, never, nullptr};
  const pid_t parent = getpid();
  pid_ = fork();
  if (pid_ != 0) return pid_ < 0 ? errno : 0;

  // Other threads had locks when we forked: from here on only what signal-safety(7) allows.
  //
  // It must not outlive us: an ssh whose caller was killed would go on with what the next caller begins anew.
  // The signal comes when the thread ends that forked, which is the one that waits.
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(127);
  setsid();  // no terminal on which it could ask for a passphrase, and no signal that is meant for us
  dup2(in.get(), 0);
  dup2(out.get(), 1);
  dup2(err.get(), 2);
  close_range(3, ~0u, 0);
  for (int number = 1; number < NSIG; ++number) signal(number, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  execve(words[0], words.data(), environment);
  _exit(127);
}

std::optional<Failure> must_end(const Program& program, const Call& call) {
  if (call.cancel.stop_requested()) return Failure{Cause::cancelled, program.argv[0] + " was cancelled"};
  if (std::chrono::steady_clock::now() < call.deadline) return std::nullopt;
  return Failure{Cause::timeout, program.argv[0] + " has not ended in time"};
}

// Whether there may be more of it.
bool read_some(Fd& from, std::string& to, std::size_t most) {
  char buffer[16384];
  const ssize_t got = recv(from.get(), buffer, sizeof buffer, 0);
  if (got < 0) return errno == EAGAIN || errno == EINTR;
  const std::size_t room = most - std::min(most, to.size());
  to.append(buffer, std::min(room, static_cast<std::size_t>(got)));
  explicit_bzero(buffer, sizeof buffer);
  return got > 0;
}

bool write_some(Fd& to, std::string_view& input) {
  const ssize_t sent = send(to.get(), input.data(), input.size(), MSG_NOSIGNAL);
  if (sent < 0) return errno == EAGAIN || errno == EINTR;
  input.remove_prefix(static_cast<std::size_t>(sent));
  return !input.empty();
}

}  // namespace

Outcome<Ended> run(const Program& program, const Call& call) {
  Ends in, out, err;
  if (!connect(in) || !connect(out) || !connect(err)) {
    return failure(Cause::exhausted, fail_errno("sockets for " + program.argv[0], errno).value().message);
  }
  if (auto end = must_end(program, call)) return tl::unexpected(std::move(*end));
  Child child;
  if (const int error = child.start(program.argv, in.theirs, out.theirs, err.theirs)) {
    return failure(Cause::failed, fail_errno("start " + program.argv[0], error).value().message);
  }
  for (Ends* ends : {&in, &out, &err}) ends->theirs.reset();
  std::string_view input = program.input.reveal();
  if (input.empty()) in.ours.reset();

  Ended ended;
  while (out.ours || err.ours) {
    if (auto end = must_end(program, call)) return tl::unexpected(std::move(*end));
    // poll passes over the descriptors that are closed: they are -1.
    pollfd fds[] = {{in.ours.get(), POLLOUT, 0}, {out.ours.get(), POLLIN, 0}, {err.ours.get(), POLLIN, 0}};
    poll(fds, 3, static_cast<int>(kTick.count()));
    if (fds[0].revents != 0 && !write_some(in.ours, input)) in.ours.reset();
    if (fds[1].revents != 0 && !read_some(out.ours, ended.out, program.most_output + 1)) out.ours.reset();
    if (fds[2].revents != 0 && !read_some(err.ours, ended.err, kMostWords)) err.ours.reset();
    if (ended.out.size() > program.most_output) {
      return failure(Cause::failed,
                     program.argv[0] + " says more than " + std::to_string(program.most_output) + " bytes");
    }
  }
  for (;;) {
    if (const auto status = child.ended()) {
      ended.status = *status;
      return ended;
    }
    if (auto end = must_end(program, call)) return tl::unexpected(std::move(*end));
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
}

}  // namespace envgate::backends::physical
