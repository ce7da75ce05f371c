#include "gateway/ssh/monitor/keeper_link.hpp"

#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <system_error>

#include "base/log.hpp"
#include "gateway/ssh/monitor/packet_socket.hpp"

namespace envgate::ssh::monitor {
namespace {

constexpr int kKeeperSocket = 3;  // as session/main.cpp expects it
constexpr std::size_t kKeeperMessageMax = 64;
constexpr std::chrono::milliseconds kStep{100};
constexpr int kStepsBeforeRelaunch = 10;

std::string beside_us() {
  std::array<char, PATH_MAX> path;
  const ssize_t size = readlink("/proc/self/exe", path.data(), path.size());
  const std::string_view ours(path.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
  return std::string(ours.substr(0, ours.rfind('/') + 1)) + "envgate-session";
}

struct SpawnSettings {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  SpawnSettings() {
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
  }
  ~SpawnSettings() {
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
  }
  SpawnSettings(const SpawnSettings&) = delete;
  SpawnSettings& operator=(const SpawnSettings&) = delete;
};

}  // namespace

Result<void> KeeperLink::launch() {
  auto pair = packet_pair();
  if (!pair) return tl::unexpected(pair.error());
  const std::string program = options_.program.empty() ? beside_us() : options_.program;
  SpawnSettings settings;
  posix_spawn_file_actions_adddup2(&settings.actions, pair->second.get(), kKeeperSocket);
  posix_spawn_file_actions_addclosefrom_np(&settings.actions, kKeeperSocket + 1);
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&settings.attributes, &none);
  posix_spawnattr_setflags(&settings.attributes, POSIX_SPAWN_SETSIGMASK);
  std::string account = geteuid() == 0 ? options_.account : "";
  std::array<char*, 3> arguments{const_cast<char*>("envgate-session"),
                                 account.empty() ? nullptr : account.data(), nullptr};
  char* no_variables[] = {nullptr};
  const int rc = posix_spawn(&pid_, program.c_str(), &settings.actions, &settings.attributes,
                             arguments.data(), no_variables);
  if (rc != 0)
    return fail("ssh.audited: cannot start " + program + ": " + std::generic_category().message(rc) +
                    "; conf/setup builds what it needs",
                rc);
  const std::lock_guard lock(mutex_);
  socket_ = std::move(pair->first);
  return {};
}

Result<std::unique_ptr<KeeperLink>> KeeperLink::start(Options options) {
  std::unique_ptr<KeeperLink> link(new KeeperLink(std::move(options)));
  auto launched = link->launch();
  if (!launched) return tl::unexpected(launched.error());
  return link;
}

KeeperLink::~KeeperLink() {
  stopping_ = true;
  {
    const std::lock_guard lock(mutex_);
    if (socket_) ::shutdown(socket_.get(), SHUT_RDWR);
  }
  if (thread_.joinable()) thread_.join();
  if (pid_ > 0) ::waitpid(pid_, nullptr, 0);
}

void KeeperLink::listen(OnGone gone, OnLost lost) {
  gone_ = std::move(gone);
  lost_ = std::move(lost);
  thread_ = std::thread([this] {
    do hear();
    while (relaunch());
  });
}

// Until the keeper is gone. Only this thread puts another socket in its place.
void KeeperLink::hear() {
  Packet packet;
  for (;;) {
    const auto got = receive_packet(socket_.get(), kKeeperMessageMax, packet);
    if (!got || *got != Transfer::done) return;
    const auto message = decode_keeper(packet.bytes);
    if (!message) return;
    if (const auto* const gone = std::get_if<Gone>(&*message)) gone_(*gone);
  }
}

bool KeeperLink::relaunch() {
  if (stopping_) return false;
  log::error("session_keeper_ended")
      .text("consequence", "its audited sessions have ended; it is started again");
  {
    const std::lock_guard lock(mutex_);
    socket_.reset();
  }
  lost_();
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  pid_ = -1;
  for (;;) {
    for (int i = 0; i < kStepsBeforeRelaunch; ++i) {
      if (stopping_) return false;
      std::this_thread::sleep_for(kStep);
    }
    const auto launched = launch();
    if (launched) return true;
    log::error("session_keeper_failed").error(launched.error());
  }
}

bool KeeperLink::spawn(std::uint64_t id, int client, int monitor) {
  const std::lock_guard lock(mutex_);
  if (!socket_) return false;
  const auto sent = send_packet(socket_.get(), encode(KeeperMessage(Spawn{id})), {client, monitor});
  return sent && *sent == Transfer::done;
}

void KeeperLink::kill(std::uint64_t id) {
  const std::lock_guard lock(mutex_);
  if (socket_) (void)send_packet(socket_.get(), encode(KeeperMessage(Kill{id})));
}

}  // namespace envgate::ssh::monitor
