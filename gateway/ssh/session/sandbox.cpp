#include "gateway/ssh/session/sandbox.hpp"

#include <seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

namespace envgate::ssh::session {
namespace {

// All that the process needs once its sockets are there.
constexpr int kAllowed[] = {SCMP_SYS(read),
                            SCMP_SYS(write),
                            SCMP_SYS(readv),
                            SCMP_SYS(writev),
                            SCMP_SYS(recvfrom),
                            SCMP_SYS(sendto),
                            SCMP_SYS(recvmsg),
                            SCMP_SYS(sendmsg),
                            SCMP_SYS(poll),
                            SCMP_SYS(ppoll),
                            SCMP_SYS(close),
                            SCMP_SYS(shutdown),
                            SCMP_SYS(getsockopt),
                            SCMP_SYS(getpeername),
                            SCMP_SYS(getsockname),
                            SCMP_SYS(brk),
                            SCMP_SYS(munmap),
                            SCMP_SYS(mremap),
                            SCMP_SYS(madvise),
                            SCMP_SYS(futex),
                            SCMP_SYS(clock_gettime),
                            SCMP_SYS(gettimeofday),
                            SCMP_SYS(clock_nanosleep),
                            SCMP_SYS(getrandom),
                            SCMP_SYS(getpid),
                            SCMP_SYS(gettid),
                            SCMP_SYS(rt_sigreturn),
                            SCMP_SYS(rt_sigprocmask),
                            SCMP_SYS(alarm),
                            SCMP_SYS(setitimer),
                            SCMP_SYS(exit),
                            SCMP_SYS(exit_group),
                            SCMP_SYS(restart_syscall),
                            SCMP_SYS(sched_yield),
                            SCMP_SYS(getuid),
                            SCMP_SYS(geteuid)};

// What libraries try and can go on without; everything else ends the process.
constexpr int kRefused[] = {SCMP_SYS(open),   SCMP_SYS(openat),     SCMP_SYS(access),  SCMP_SYS(faccessat2),
                            SCMP_SYS(stat),   SCMP_SYS(newfstatat), SCMP_SYS(fstat),   SCMP_SYS(statx),
                            SCMP_SYS(socket), SCMP_SYS(connect),    SCMP_SYS(ioctl),   SCMP_SYS(sysinfo),
                            SCMP_SYS(uname),  SCMP_SYS(prctl),      SCMP_SYS(readlink)};

struct Filter {
  scmp_filter_ctx context = seccomp_init(SCMP_ACT_KILL_PROCESS);
  ~Filter() { seccomp_release(context); }
  Filter() = default;
  Filter(const Filter&) = delete;
  Filter& operator=(const Filter&) = delete;
};

// Memory that may be executed is never made.
int allow_memory(scmp_filter_ctx context) {
  for (const int call : {SCMP_SYS(mmap), SCMP_SYS(mprotect)}) {
    const int rc = seccomp_rule_add(context, SCMP_ACT_ALLOW, call, 1,
                                    SCMP_A2(SCMP_CMP_MASKED_EQ, 0x4 /* PROT_EXEC */, 0));
    if (rc < 0) return rc;
  }
  return 0;
}

// fcntl(2) for flags of descriptors; setsockopt(2) for IPPROTO_TCP and SOL_SOCKET; prlimit(2) and tgkill(2)
// of itself.
int allow_by_argument(scmp_filter_ctx context) {
  int rc = 0;
  for (const unsigned long command : {1ul, 2ul, 3ul, 4ul})  // F_GETFD, F_SETFD, F_GETFL, F_SETFL
    if (rc >= 0)
      rc = seccomp_rule_add(context, SCMP_ACT_ALLOW, SCMP_SYS(fcntl), 1, SCMP_A1(SCMP_CMP_EQ, command));
  for (const unsigned long level : {1ul, 6ul})
    if (rc >= 0)
      rc = seccomp_rule_add(context, SCMP_ACT_ALLOW, SCMP_SYS(setsockopt), 1, SCMP_A1(SCMP_CMP_EQ, level));
  if (rc >= 0)
    rc = seccomp_rule_add(context, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 1, SCMP_A0(SCMP_CMP_EQ, 0));
  if (rc >= 0)
    rc = seccomp_rule_add(context, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
                          SCMP_A0(SCMP_CMP_EQ, static_cast<scmp_datum_t>(getpid())));
  return rc;
}

[[maybe_unused]] Result<void> filter_system_calls() {
  Filter filter;
  if (!filter.context) return fail("seccomp: out of memory");
  int rc = allow_memory(filter.context);
  if (rc >= 0) rc = allow_by_argument(filter.context);
  for (const int call : kAllowed)
    if (rc >= 0) rc = seccomp_rule_add(filter.context, SCMP_ACT_ALLOW, call, 0);
  for (const int call : kRefused)
    if (rc >= 0) rc = seccomp_rule_add(filter.context, SCMP_ACT_ERRNO(EACCES), call, 0);
  if (rc >= 0) rc = seccomp_load(filter.context);
  if (rc < 0) return fail_errno("seccomp: the kernel takes no filter", -rc);
  return {};
}

[[maybe_unused]] bool limit(__rlimit_resource resource, rlim_t soft, rlim_t hard) {
  const rlimit value{soft, hard};
  return setrlimit(resource, &value) == 0;
}

[[maybe_unused]] std::uint64_t address_space() {
  unsigned long pages = 0;
  if (std::FILE* const file = std::fopen("/proc/self/statm", "r")) {
    if (std::fscanf(file, "%lu", &pages) != 1) pages = 0;
    std::fclose(file);
  }
  return pages * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

}  // namespace

#ifdef __SANITIZE_ADDRESS__
// It reserves terabytes, makes calls of its own that no session may (pipe(2)), and writes what it finds.
Result<void> enter_sandbox(const Bounds&) { return {}; }
#else
Result<void> enter_sandbox(const Bounds& bounds) {
  const auto cpu = static_cast<rlim_t>(bounds.login_cpu.count());
  const rlim_t memory = address_space() + bounds.memory;
  if (!limit(RLIMIT_AS, memory, memory)) return fail_errno("setrlimit(RLIMIT_AS)", errno);
  if (!limit(RLIMIT_CPU, cpu, RLIM_INFINITY) || !limit(RLIMIT_CORE, 0, 0) || !limit(RLIMIT_FSIZE, 0, 0) ||
      !limit(RLIMIT_NOFILE, bounds.descriptors, bounds.descriptors) || !limit(RLIMIT_NPROC, 0, 0))
    return fail_errno("setrlimit", errno);
  if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
    return fail_errno("prctl", errno);
  return filter_system_calls();
}
#endif

void lift_login_bounds() { limit(RLIMIT_CPU, RLIM_INFINITY, RLIM_INFINITY); }

}  // namespace envgate::ssh::session
