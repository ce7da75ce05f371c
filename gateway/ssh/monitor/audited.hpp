// Audited SSH in this process: what all its sessions share. Made where ssh.audited.host_key_file is set.
// Thread: each member says its own; made and destroyed by main's.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "gateway/password_pool.hpp"
#include "gateway/penalties.hpp"
#include "gateway/settings.hpp"
#include "gateway/ssh/auth/public_key.hpp"
#include "gateway/ssh/key_index.hpp"
#include "gateway/ssh/monitor/host_keys.hpp"
#include "gateway/ssh/monitor/keeper_link.hpp"
#include "gateway/ssh/monitor/onward.hpp"
#include "gateway/startups.hpp"

namespace envgate::ssh::recorder {
class Recorder;
}

namespace envgate::ssh::monitor {

class Audited {
 public:
  // Starts the keeper. Errors: what is missing, with its remedy. Requires: called before rights are dropped.
  static Result<std::unique_ptr<Audited>> start(const gateway::GatewaySettings& settings);

  void reload(const gateway::GatewaySettings& settings);  // what is live. Thread: any

  const HostKeys host_keys;
  const Onward onward;
  const std::vector<auth::PublicKey> user_cas;  // whose certificates customers may come with
  const std::string dummy_verifier;
  KeyIndex keys;
  gateway::Penalties penalties;
  gateway::Startups startups;
  gateway::PasswordPool passwords;
  recorder::Recorder* recorder = nullptr;  // set before the workers run; null: nothing can be recorded

  // A session process for `client`; what comes of it is told to the log, and held against `source`.
  bool spawn(std::uint64_t id, const IpAddress& source, int client, int monitor);
  void kill(std::uint64_t id) { keeper_->kill(id); }

 private:
  struct Parts;
  Audited(Parts parts, const gateway::GatewaySettings& settings);
  void gone(const Gone& gone);

  std::unique_ptr<KeeperLink> keeper_;
  std::mutex mutex_;                            // sources_
  std::map<std::uint64_t, IpAddress> sources_;  // of the sessions that live
};

}  // namespace envgate::ssh::monitor
