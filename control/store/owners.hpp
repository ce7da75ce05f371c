// What an owner has of his own: a policy over all his environments, public keys, one-time codes, and what
// others share with him. Thread: as the transaction's.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "control/store/database.hpp"

namespace envgate::control::store {

struct Owner {
  std::string policy = "{}";                 // JSON
  std::string totp;                          // a sealed secret; empty: no codes are asked for
  long long totp_step = 0;                   // of the last code that was taken
  long long totp_wrong = 0, totp_since = 0;  // wrong codes, since when they are counted
};
// As it is where nothing was said of him.
Owner find_owner(Transaction& t, const std::string& owner);
void put_owner(Transaction& t, const std::string& owner, const Owner& row);

struct OwnerKey {
  std::string fingerprint;  // "SHA256:..."
  std::string public_key;   // its whole line
  long long created = 0;
};
std::vector<OwnerKey> owner_keys(Transaction& t, const std::string& owner);  // oldest first
// Errors: kConflict, he has it.
Result<void> add_owner_key(Transaction& t, const std::string& owner, const OwnerKey& key);
bool remove_owner_key(Transaction& t, const std::string& owner, const std::string& fingerprint);

// Whom an environment is shared with, in place of whom it was before.
void set_shares(Transaction& t, const std::string& environment, const std::vector<std::string>& owners);
// The ids of all that are the owner's or shared with him, and not deleted.
std::vector<std::string> environments_concerning(Transaction& t, const std::string& owner);

}  // namespace envgate::control::store
