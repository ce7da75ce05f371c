#include "backends/physical/ssh_command.hpp"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "backends/words.hpp"
#include "base/fd.hpp"

namespace envgate::backends::physical {
namespace {

// The name that the pinned keys have: neither address nor port, whose spelling in known_hosts differs.
constexpr char kAlias[] = "machine";

// For the login shell of the admin account, which reads the command before /bin/sh does.
std::string quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'') {
      out += "'\\''";
    } else {
      out += c;
    }
  }
  return out + '\'';
}

struct Known {
  std::string_view words;
  Cause cause;
  std::string_view meaning;
};

// In this order: a changed key is told with other words around it.
constexpr Known kKnown[] = {
    {"REMOTE HOST IDENTIFICATION HAS CHANGED", Cause::denied,
     "its host key is not a pinned one: it was reinstalled, or another machine answers at its address. Look "
     "which, before you pin the new key"},
    {"host key is known for", Cause::denied,
     "it has a host key of a type that is not pinned: pin the key that it shows, after you have compared it"},
    {"Host key verification failed", Cause::denied, "its host key is not a pinned one"},
    {"no matching host key type found", Cause::denied,
     "it has no host key of a pinned type: it was reinstalled, or another machine answers at its address"},
    {"UNPROTECTED PRIVATE KEY FILE", Cause::denied, "the admin key's file is readable by others: chmod 600"},
    {"Permission denied (", Cause::denied,
     "it does not take the admin key: put the public key into the admin account's authorized_keys"},
    {"Too many authentication failures", Cause::denied, "it does not take the admin key"},
    {"Connection refused", Cause::unreachable, "nobody listens there: start its sshd"},
    {"timed out", Cause::unreachable, "it does not answer: is it up, and not behind a firewall?"},
    {"not responding", Cause::unreachable, "it stopped answering"},
    {"No route to host", Cause::unreachable, "it does not answer: is it up?"},
    {"Network is unreachable", Cause::unreachable, "this machine has no route to it"},
    {"Connection closed", Cause::unreachable, "its sshd broke off"},
    {"Connection reset", Cause::unreachable, "its sshd broke off"},
    {"kex_exchange_identification", Cause::unreachable, "what answers there is no sshd"},
};

}  // namespace

Outcome<KnownHosts> KnownHosts::make(const Settings& settings, const Machine& machine) {
  std::string path = settings.temporary + "/envgate-known-hosts-XXXXXX";
  const Fd file(mkostemp(path.data(), O_CLOEXEC));  // mode 0600
  if (!file) return failure(Cause::failed, fail_errno("make " + path, errno).value().message);
  KnownHosts hosts(path);
  std::string text;
  for (const std::string& line : machine.host_keys) {
    if (const auto key = public_key(line)) text += std::string(kAlias) + ' ' + *key + '\n';
  }
  if (write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
    return failure(Cause::exhausted, fail_errno("write " + path, errno).value().message);
  }
  return hosts;
}

KnownHosts::~KnownHosts() {
  if (!path_.empty()) unlink(path_.c_str());
}

std::vector<std::string> ssh_argv(const Settings& settings, const Machine& machine,
                                  const std::string& known_hosts, std::string_view program) {
  std::vector<std::string> argv = {settings.programs + "/ssh", "-F", "none", "-T", "-a", "-x"};
  const auto option = [&](std::string text) {
    argv.push_back("-o");
    argv.push_back(std::move(text));
  };
  for (const char* text : {"BatchMode=yes",
                           "LogLevel=ERROR",
                           "StrictHostKeyChecking=yes",
                           "GlobalKnownHostsFile=/dev/null",
                           "UpdateHostKeys=no",
                           "VerifyHostKeyDNS=no",
                           "CheckHostIP=no",
                           "IdentitiesOnly=yes",
                           "IdentityAgent=none",
                           "PreferredAuthentications=publickey",
                           "ClearAllForwardings=yes",
                           "Tunnel=no",
                           "ControlMaster=no",
                           "ControlPath=none",
                           "ProxyCommand=none",
                           "PermitLocalCommand=no",
                           "EscapeChar=none",
                           "ConnectionAttempts=1",
                           "ServerAliveInterval=5",
                           "ServerAliveCountMax=3"}) {
    option(text);
  }
  option("ConnectTimeout=" + std::to_string(settings.connect_time.count()));
  option("HostKeyAlias=" + std::string(kAlias));
  option("UserKnownHostsFile=" + known_hosts);
  argv.insert(argv.end(), {"-i", machine.admin_key, "-p", std::to_string(machine.ssh_port), "-l",
                           machine.admin_user, "--", machine.address.to_string()});
  const std::string sudo = machine.admin_user == "root" ? "" : "sudo -n ";
  argv.push_back("exec " + sudo + "/bin/sh -c " + quoted(program) + " envgate");
  return argv;
}

Failure ssh_failure(const Machine& machine, std::string_view words) {
  for (const Known& known : kKnown) {
    if (words.find(known.words) == std::string_view::npos) continue;
    return {known.cause, machine.shown() + ": " + std::string(known.meaning)};
  }
  const std::string said = words.empty() ? "ssh ended without a word" : excerpt(words);
  // An admin key that cannot be read, an option that this ssh does not know: nothing that waiting helps.
  const bool ours = words.find("Load key") != std::string_view::npos ||
                    words.find("Bad configuration option") != std::string_view::npos;
  return {ours ? Cause::denied : Cause::unreachable, machine.shown() + ": " + said};
}

Outcome<Ended> run_remote(const Settings& settings, const Machine& machine, std::string_view program,
                          Secret input, const Call& call) {
  if (const auto good = check(machine); !good) {
    return failure(Cause::invalid, machine.shown() + ": " + good.error().message);
  }
  if (access(machine.admin_key.c_str(), R_OK) != 0) {
    return failure(Cause::denied,
                   fail_errno(machine.shown() + ": admin key " + machine.admin_key, errno).value().message);
  }
  const auto known_hosts = KnownHosts::make(settings, machine);
  if (!known_hosts) return tl::unexpected(known_hosts.error());
  auto ended = run({ssh_argv(settings, machine, known_hosts->path(), program), std::move(input)}, call);
  if (!ended) return failure(ended.error().cause, machine.shown() + ": " + ended.error().message);
  if (ended->status == 255) return tl::unexpected(ssh_failure(machine, ended->err));
  return ended;
}

}  // namespace envgate::backends::physical
