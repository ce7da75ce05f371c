// What a session process may do and may not, tried: each attempt is made by a child that has entered the
// sandbox, and what became of the child is the answer.

#include "gateway/ssh/session/sandbox.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>

#include "gateway/ssh/monitor/packet_socket.hpp"

#ifdef __SANITIZE_ADDRESS__
TEST(Sandbox, IsOffWhereASanitizerIsOn) { GTEST_SKIP() << "the sanitizer makes calls that no session may"; }
#else

namespace envgate::ssh::session {
namespace {

constexpr int kDone = 0, kUnsandboxed = 100, kWrong = 101;

// What wait(2) says of a child that does attempt() in the sandbox, and exits with what it returns.
template <typename Attempt>
int in_sandbox(Attempt attempt, Bounds bounds = {}) {
  const pid_t child = fork();
  if (child == 0) {
    if (!enter_sandbox(bounds)) _exit(kUnsandboxed);
    _exit(attempt());
  }
  int status = -1;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  return status;
}

testing::AssertionResult exited(int status, int with) {
  if (WIFEXITED(status) && WEXITSTATUS(status) == with) return testing::AssertionSuccess();
  return testing::AssertionFailure() << "status " << status;
}

testing::AssertionResult killed(int status, int by) {
  if (WIFSIGNALED(status) && WTERMSIG(status) == by) return testing::AssertionSuccess();
  return testing::AssertionFailure() << "status " << status;
}

int error_of(long result) { return result < 0 ? errno : kDone; }

TEST(Sandbox, NoFileIsOpened) {
  EXPECT_TRUE(exited(in_sandbox([] { return error_of(open("/etc/passwd", O_RDONLY)); }), EACCES));
  EXPECT_TRUE(exited(in_sandbox([] { return error_of(open("/dev/null", O_RDWR)); }), EACCES));
  EXPECT_TRUE(exited(in_sandbox([] { return error_of(open("/proc/self/mem", O_RDWR)); }), EACCES));
  EXPECT_TRUE(
      exited(in_sandbox([] { return error_of(open("/tmp/of-a-session", O_CREAT | O_RDWR, 0600)); }), EACCES));
  EXPECT_TRUE(exited(in_sandbox([] { return error_of(access("/etc/passwd", R_OK)); }), EACCES));
}

TEST(Sandbox, NoSocketIsMade) {
  EXPECT_TRUE(exited(in_sandbox([] { return error_of(socket(AF_INET, SOCK_STREAM, 0)); }), EACCES));
  EXPECT_TRUE(exited(in_sandbox([] { return error_of(socket(AF_UNIX, SOCK_STREAM, 0)); }), EACCES));
  EXPECT_TRUE(exited(in_sandbox([] { return error_of(socket(AF_NETLINK, SOCK_RAW, 0)); }), EACCES));
  EXPECT_TRUE(exited(in_sandbox([] {
                       sockaddr address{};
                       return error_of(connect(0, &address, sizeof address));
                     }),
                     EACCES));
}

TEST(Sandbox, WhatIsNotForeseenEndsTheProcess) {
  const long forbidden[] = {SYS_execve,
                            SYS_execveat,
                            SYS_fork,
                            SYS_vfork,
                            SYS_clone,
                            SYS_clone3,
                            SYS_ptrace,
                            SYS_process_vm_readv,
                            SYS_bind,
                            SYS_listen,
                            SYS_accept,
                            SYS_accept4,
                            SYS_socketpair,
                            SYS_pipe2,
                            SYS_dup,
                            SYS_dup2,
                            SYS_unlink,
                            SYS_rename,
                            SYS_mkdir,
                            SYS_chmod,
                            SYS_kill,
                            SYS_tkill,
                            SYS_rt_sigaction,
                            SYS_setuid,
                            SYS_setresuid,
                            SYS_capset,
                            SYS_mount,
                            SYS_chroot,
                            SYS_unshare,
                            SYS_setns,
                            SYS_bpf,
                            SYS_io_uring_setup,
                            SYS_keyctl,
                            SYS_userfaultfd,
                            SYS_memfd_create,
                            SYS_perf_event_open,
                            SYS_pidfd_open,
                            SYS_pidfd_getfd,
                            SYS_open_by_handle_at,
                            SYS_seccomp,
                            SYS_shmget,
                            SYS_personality,
                            SYS_init_module,
                            SYS_kexec_load,
                            SYS_reboot,
                            SYS_inotify_init1,
                            SYS_epoll_create1,
                            SYS_openat2};
  for (const long call : forbidden)
    EXPECT_TRUE(killed(in_sandbox([call] { return error_of(syscall(call, 0, 0, 0, 0, 0, 0)); }), SIGSYS))
        << "system call " << call;
}

TEST(Sandbox, NoProgramAndNoProcessIsStarted) {
  EXPECT_TRUE(killed(in_sandbox([] { return execl("/bin/true", "true", nullptr); }), SIGSYS));
  EXPECT_TRUE(killed(in_sandbox([] { return fork() >= 0 ? kDone : kWrong; }), SIGSYS));
  EXPECT_TRUE(killed(in_sandbox([] { return static_cast<int>(ptrace(PTRACE_TRACEME)); }), SIGSYS));
}

TEST(Sandbox, NobodyElseIsSignalledOrLimited) {
  EXPECT_TRUE(killed(in_sandbox([] { return kill(getppid(), 0); }), SIGSYS));  // getppid(2) already
  const int parent = getpid();
  EXPECT_TRUE(killed(
      in_sandbox([parent] { return static_cast<int>(syscall(SYS_tgkill, parent, parent, 0)); }), SIGSYS));
  EXPECT_TRUE(killed(in_sandbox([parent] {
                       return static_cast<int>(syscall(SYS_prlimit64, parent, RLIMIT_CPU, nullptr, nullptr));
                     }),
                     SIGSYS));
}

TEST(Sandbox, NoMemoryBecomesExecutable) {
  const auto map = [](int protection) {
    return mmap(nullptr, 4096, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  };
  EXPECT_TRUE(killed(in_sandbox([&] { return map(PROT_READ | PROT_EXEC) == MAP_FAILED; }), SIGSYS));
  EXPECT_TRUE(
      killed(in_sandbox([&] { return mprotect(map(PROT_READ | PROT_WRITE), 4096, PROT_READ | PROT_EXEC); }),
             SIGSYS));
  EXPECT_TRUE(
      exited(in_sandbox([&] { return mprotect(map(PROT_READ | PROT_WRITE), 4096, PROT_READ); }), kDone));
}

TEST(Sandbox, DescriptorsAreNotDuplicatedNorGivenAnOwner) {
  EXPECT_TRUE(killed(in_sandbox([] { return fcntl(0, F_DUPFD, 0); }), SIGSYS));
  EXPECT_TRUE(killed(in_sandbox([] { return fcntl(0, F_SETOWN, 1); }), SIGSYS));
  EXPECT_TRUE(exited(in_sandbox([] { return error_of(fcntl(0, F_GETFL)); }), kDone));
}

TEST(Sandbox, WhatItLivesOnWorks) {
  auto pair = monitor::packet_pair();
  ASSERT_TRUE(pair);
  const int ours = pair->first.get(), its = pair->second.get();
  ASSERT_TRUE(monitor::send_packet(ours, "with a descriptor", {STDIN_FILENO}));
  EXPECT_TRUE(exited(in_sandbox([its] {
                       pollfd look{its, POLLIN, 0};
                       monitor::Packet packet;
                       if (poll(&look, 1, 5000) != 1 || !monitor::receive_packet(its, 100, packet)) return 1;
                       if (!packet.descriptors[0] || fcntl(packet.descriptors[0].get(), F_GETFL) < 0)
                         return 2;
                       if (!monitor::send_packet(its, "an answer")) return 3;
                       return std::string(1 << 20, 'x').size() == 1 << 20 ? kDone : 4;
                     }),
                     kDone));
  monitor::Packet answer;
  ASSERT_TRUE(monitor::receive_packet(ours, 100, answer));
  EXPECT_EQ(answer.bytes, "an answer");
}

TEST(Sandbox, MemoryHasAnEnd) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "AddressSanitizer reserves terabytes";
#endif
  const auto take = [](std::size_t size) {
    void* const block = std::malloc(size);
    if (block) std::memset(block, 1, size);
    return block ? kDone : kWrong;
  };
  EXPECT_TRUE(exited(in_sandbox([&] { return take(100 << 20); }), kDone));
  EXPECT_TRUE(exited(in_sandbox([&] { return take(300 << 20); }), kWrong));
}

TEST(Sandbox, TheTimeBeforeALoginHasAnEnd) {
  const auto spin = [] {
    volatile std::uint64_t count = 0;
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    for (const auto until = now.tv_sec + 20; now.tv_sec < until; clock_gettime(CLOCK_MONOTONIC, &now))
      for (int i = 0; i < 100'000; ++i) count = count + 1;
    return kDone;
  };
  Bounds bounds;
  bounds.login_cpu = std::chrono::seconds(1);
  EXPECT_TRUE(killed(in_sandbox(spin, bounds), SIGXCPU));
}

TEST(Sandbox, TheTimeAfterALoginIsTheCustomers) {
  EXPECT_TRUE(exited(in_sandbox([] {
                       lift_login_bounds();
                       rlimit now{};
                       getrlimit(RLIMIT_CPU, &now);
                       return now.rlim_cur == RLIM_INFINITY ? kDone : kWrong;
                     }),
                     kDone));
}

TEST(Sandbox, NothingIsWrittenWhereItCrashes) {
  EXPECT_TRUE(exited(in_sandbox([] {
                       rlimit core{}, files{}, processes{};
                       getrlimit(RLIMIT_CORE, &core);
                       getrlimit(RLIMIT_FSIZE, &files);
                       getrlimit(RLIMIT_NPROC, &processes);
                       return core.rlim_max + files.rlim_max + processes.rlim_max == 0 ? kDone : kWrong;
                     }),
                     kDone));
}

}  // namespace
}  // namespace envgate::ssh::session

#endif
