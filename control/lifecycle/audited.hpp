// What an audited environment has that one in passthrough has not. Its customer's SSH ends in the gateway, so
// that his password is known there by a verifier alone, made once and kept; and the target is opened by
// credentials of ours that he never sees: a key of this environment's own, and certificates that control's
// authority signs. The target's account has another password than his, which nobody is told.
//
// The authority is trusted by a line of the account's authorized_keys, for this environment's id alone:
// unlike TrustedUserCAKeys in sshd's own settings it opens no other account, needs no reload, and replaces
// nothing that the image or machine has set up there. It is sealed in the database, so that all controllers
// have one.
//
// Thread: any; within a transaction where one is given.
#pragma once

#include <string>
#include <vector>

#include "control/secrets/secret_box.hpp"
#include "control/secrets/ssh_key.hpp"
#include "control/store/environments.hpp"

namespace envgate::control {

inline constexpr char kSshPassword[] = "ssh_password";        // what the customer logs in with
inline constexpr char kTargetPassword[] = "target_password";  // of an audited target's account
inline constexpr char kOnwardKey[] = "onward_key";            // its key's seed

// What an environment's secrets belong to, for SecretBox: "<id>/ssh_password".
std::string secret_owner(const std::string& environment, const char* name);

bool is_audited(const store::Environment& environment);

// Sealed, to be kept once the row is there; those of the target are empty in passthrough.
struct Credentials {
  std::string password, target_password, onward_seed;
};
// New ones; the row's verifier and onward key follow. Takes some hundredths of a second.
Result<Credentials> make_credentials(const secrets::SecretBox& box, store::Environment& environment);
void keep_credentials(store::Transaction& t, const std::string& environment, const Credentials& credentials);

// Makes what an audited environment lacks: it was in passthrough, or an older program's. A login is due then.
// Requires: the caller updates the row.
Result<void> prepare_audited(store::Transaction& t, const secrets::SecretBox& box,
                             store::Environment& environment);
// The target has forgotten it: it is in passthrough now, and has its customer's own login. What was pinned
// stays: it is the instance's.
void forget_onward(store::Transaction& t, store::Environment& environment);

// The authority's public line, made at its first use.
Result<std::string> authority_line(store::Transaction& t, const secrets::SecretBox& box);
Result<secrets::SshKey> authority_key(store::Transaction& t, const secrets::SecretBox& box);

// All lines of an audited target's authorized_keys.
std::vector<std::string> onward_lines(const store::Environment& environment, const std::string& authority);
// Of one that was audited before and has no keys: nothing but this remark.
inline constexpr char kNoKeys[] = "# envgate: no keys";

// The keys that a target must show: a machine's as registered, a container's as pinned.
std::vector<std::string> host_keys_of(store::Transaction& t, const store::Environment& environment);

}  // namespace envgate::control
