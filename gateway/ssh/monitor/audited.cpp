#include "gateway/ssh/monitor/audited.hpp"

#include <signal.h>
#include <sys/wait.h>

#include <fstream>

#include "base/log.hpp"
#include "gateway/metrics.hpp"

namespace envgate::ssh::monitor {
namespace {

using gateway::GatewaySettings;

constexpr std::size_t kPasswordQueue = 64;

gateway::PenaltySettings penalties_of(const GatewaySettings::Ssh::Audited& audited) {
  gateway::PenaltySettings out;
  if (!audited.penalties.enabled) out.sources = 0;
  out.exempt = audited.penalties.exempt;
  return out;
}

gateway::StartupLimits startups_of(const GatewaySettings::Ssh::Audited& audited) {
  return {audited.startups.begin, audited.startups.rate, audited.startups.full, audited.startups.per_source};
}

// One key a line, as in authorized_keys.
Result<std::vector<auth::PublicKey>> read_cas(const std::vector<std::string>& paths) {
  std::vector<auth::PublicKey> out;
  for (const std::string& path : paths) {
    std::ifstream file(path);
    if (!file) return fail("ssh.audited.user_cas: " + path + " cannot be read");
    std::string line;
    while (std::getline(file, line)) {
      if (line.empty() || line.front() == '#') continue;
      auto key = auth::parse_authorized_key(line);
      if (!key) return fail("ssh.audited.user_cas: " + path + ": " + key.error().message);
      out.push_back(std::move(key->key));
    }
  }
  return out;
}

}  // namespace

struct Audited::Parts {
  HostKeys host_keys;
  Onward onward;
  std::vector<auth::PublicKey> user_cas;
  std::string dummy_verifier;
  std::unique_ptr<KeeperLink> keeper;
};

Audited::Audited(Parts parts, const GatewaySettings& settings)
    : host_keys(parts.host_keys),
      onward(std::move(parts.onward)),
      user_cas(std::move(parts.user_cas)),
      dummy_verifier(std::move(parts.dummy_verifier)),
      penalties(penalties_of(settings.ssh.audited)),
      startups(startups_of(settings.ssh.audited)),
      passwords(settings.ssh.audited.password_threads, kPasswordQueue),
      keeper_(std::move(parts.keeper)) {
  for (const std::string_view alarming : {"session_crashed", "session_outside_sandbox", "session_distrusted",
                                          "host_key_changed", "not_recordable"})
    gateway::Metrics::expect_refusals(alarming);
  keeper_->listen([this](const Gone& who) { gone(who); },
                  [this] {
                    const std::lock_guard lock(mutex_);
                    sources_.clear();
                  });
}

Result<std::unique_ptr<Audited>> Audited::start(const GatewaySettings& settings) {
  const GatewaySettings::Ssh::Audited& audited = settings.ssh.audited;
  auto host_keys = HostKeys::open(audited.host_key_file);
  if (!host_keys)
    return fail("ssh.audited.host_key_file: " + host_keys.error().message, host_keys.error().code);
  auto onward = Onward::open(audited.onward.ca_file, audited.onward.key_file);
  if (!onward) return tl::unexpected(onward.error());
  auto cas = read_cas(audited.user_cas);
  if (!cas) return tl::unexpected(cas.error());
  auto dummy = gateway::make_dummy_verifier();
  if (!dummy) return tl::unexpected(dummy.error());
  auto keeper = KeeperLink::start({audited.program, audited.user.empty() ? settings.user : audited.user});
  if (!keeper) return tl::unexpected(keeper.error());
  return std::unique_ptr<Audited>(new Audited(
      {*host_keys, std::move(*onward), std::move(*cas), std::move(*dummy), std::move(*keeper)}, settings));
}

void Audited::reload(const GatewaySettings& settings) {
  penalties.set(penalties_of(settings.ssh.audited));
  startups.set(startups_of(settings.ssh.audited));
}

bool Audited::spawn(std::uint64_t id, const IpAddress& source, int client, int monitor) {
  {
    const std::lock_guard lock(mutex_);
    sources_.emplace(id, source);
  }
  if (keeper_->spawn(id, client, monitor)) return true;
  const std::lock_guard lock(mutex_);
  sources_.erase(id);
  return false;
}

// A process that ends by a signal that nobody sent has met a fault, or its sandbox (SIGSYS).
void Audited::gone(const Gone& who) {
  IpAddress source;
  {
    const std::lock_guard lock(mutex_);
    const auto found = sources_.find(who.id);
    if (found == sources_.end()) return;
    source = found->second;
    sources_.erase(found);
  }
  const bool crashed = who.status < 0 || WIFSIGNALED(who.status) || WEXITSTATUS(who.status) != 0;
  if (!crashed || (WIFSIGNALED(who.status) && WTERMSIG(who.status) == SIGKILL)) return;
  const int signal = WIFSIGNALED(who.status) ? WTERMSIG(who.status) : 0;
  gateway::Metrics::refused(signal == SIGSYS ? "session_outside_sandbox" : "session_crashed");
  penalties.add(source, gateway::Offence::crash, gateway::Penalties::Clock::now());
  log::error("ssh_session_crashed")
      .number("session", static_cast<std::int64_t>(who.id))
      .text("source_ip", source.to_string())
      .number("signal", signal)
      .number("status", who.status)
      .number("cpu_milliseconds", static_cast<std::int64_t>(who.cpu_milliseconds));
}

}  // namespace envgate::ssh::monitor
