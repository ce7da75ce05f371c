#include "pool.hpp"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <sstream>

namespace envgate::backends {
namespace {

std::string read_file(const std::string& path) {
  std::ostringstream out;
  out << std::ifstream(path).rdbuf();
  return out.str();
}

std::string address_of(const std::string& machine) { return told(machine == "one" ? "ONE" : "TWO"); }

}  // namespace

PoolTest::PoolTest() {
  settings.install = "test";
  settings.customer_users = {"root", "ubuntu"};
  settings.grace = std::chrono::seconds(1);
  settings.clean_time = std::chrono::seconds(10);
  settings.temporary = told("DIRECTORY");
  for (const std::string name : {"one", "two"}) {
    physical::Machine machine;
    machine.name = name;
    machine.address = *IpAddress::parse(address_of(name));
    machine.admin_key = told("DIRECTORY") + "/admin";
    machine.host_keys = {read_file(told("DIRECTORY") + '/' + name + "/etc/ssh/ssh_host_ed25519_key.pub")};
    machines[name] = machine;
    held[id(name)] = name;
  }
  make_backend();
}

void PoolTest::make_backend() {
  backend.emplace(settings,
                  physical::Pool{[this](const EnvId& environment) -> std::optional<physical::Machine> {
                                   const auto found = held.find(environment);
                                   if (found == held.end()) return std::nullopt;
                                   return machines[found->second];
                                 },
                                 [this] {
                                   std::vector<std::pair<EnvId, physical::Machine>> all;
                                   for (const auto& [environment, name] : held)
                                     all.emplace_back(environment, machines[name]);
                                   return all;
                                 }});
}

PoolTest::~PoolTest() {
  write_clean_script("rm -f /root/* /tmp/* /home/ubuntu/*");
  for (const auto& [environment, name] : held) {
    const auto gone = backend->destroy(environment, Volumes::remove, call());
    EXPECT_TRUE(gone) << gone.error().message;
  }
  EXPECT_EQ(shell("ls " + told("DIRECTORY") + " | grep known-hosts").output, "") << "files are left behind";
}

Wanted PoolTest::spec(const std::string& name) {
  Wanted wanted;
  wanted.environment = id(name);
  wanted.generation = 1;
  wanted.owner = "alice";
  wanted.ports = {{22, 0}};
  wanted.login = Login{"root", Secret(kPassword), {}};
  return wanted;
}

Observed PoolTest::ensure(const Wanted& wanted) {
  auto seen = backend->ensure(wanted, call());
  EXPECT_TRUE(seen) << seen.error().message;
  return seen ? *seen : Observed();
}

void PoolTest::write_clean_script(const std::string& text) {
  settings.clean_script = told("DIRECTORY") + "/clean-script";
  std::ofstream(settings.clean_script, std::ios::trunc) << text << '\n';
  make_backend();
}

Ran PoolTest::inside(const std::string& machine, const std::string& command) {
  const std::string pid = read_file(told("DIRECTORY") + '/' + machine + "/pid");
  return shell("nsenter -t " + pid + " --mount --pid --uts /bin/sh -c '" + command + "'");
}

Ran PoolTest::login(const std::string& machine, const std::string& password, const std::string& command,
                    const std::string& key, const std::string& user) {
  const std::string how = key.empty() ? "DROPBEAR_PASSWORD='" + password + "' timeout 20 dbclient"
                                      : "timeout 20 dbclient -i " + key;
  // dbclient ends with 0 where the server breaks off after wrong passwords: only the command's own word
  // counts.
  Ran ran = shell("HOME=" + told("DIRECTORY") + ' ' + how + " -y -y -T " + user + '@' + address_of(machine) +
                  " '" + command + "\necho status=$?' 2>/dev/null </dev/null");
  const std::size_t mark = ran.output.rfind("status=");
  ran.status = mark == std::string::npos ? 255 : std::stoi(ran.output.substr(mark + 7));
  ran.output.resize(mark == std::string::npos ? 0 : mark);
  while (!ran.output.empty() && ran.output.back() == '\n') ran.output.pop_back();
  return ran;
}

std::string PoolTest::make_key(const std::string& name, std::string& public_line) {
  const std::string path = told("DIRECTORY") + '/' + name;
  const Ran made =
      shell("rm -f " + path + "; dropbearkey -t ed25519 -f " + path + " 2>/dev/null | grep ^ssh-");
  EXPECT_EQ(made.status, 0) << made.output;
  public_line = made.output;
  return path;
}

LiveSession::LiveSession(const std::string& machine, const std::string& command) {
  const std::string at = "root@" + address_of(machine), home = told("DIRECTORY");
  pid_ = fork();
  if (pid_ == 0) {
    setenv("DROPBEAR_PASSWORD", kPassword, 1);
    setenv("HOME", home.c_str(), 1);
    if (freopen("/dev/null", "w", stderr) == nullptr) _exit(127);
    execlp("dbclient", "dbclient", "-y", "-y", "-T", at.c_str(), command.c_str(), nullptr);
    _exit(127);
  }
}

LiveSession::~LiveSession() {
  if (pid_ <= 0) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

bool LiveSession::ended(std::chrono::seconds within) {
  const bool gone = pid_ <= 0 || wait_for([&] { return waitpid(pid_, nullptr, WNOHANG) == pid_; }, within);
  if (gone) pid_ = -1;
  return gone;
}

}  // namespace envgate::backends
