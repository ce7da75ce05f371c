#include "control/store/owners.hpp"

#include "control/store/session.hpp"

namespace envgate::control::store {

using soci::into;
using soci::use;

Owner find_owner(Transaction& t, const std::string& owner) {
  Owner row;
  t.sql << "SELECT policy, totp, totp_step, totp_wrong, totp_since FROM owners WHERE owner = :o", use(owner),
      into(row.policy), into(row.totp), into(row.totp_step), into(row.totp_wrong), into(row.totp_since);
  return t.sql.got_data() ? row : Owner{};
}

void put_owner(Transaction& t, const std::string& owner, const Owner& row) {
  t.sql << "DELETE FROM owners WHERE owner = :o", use(owner);
  t.sql << "INSERT INTO owners VALUES (:o, :p, :t, :s, :w, :i)", use(owner), use(row.policy), use(row.totp),
      use(row.totp_step), use(row.totp_wrong), use(row.totp_since);
}

std::vector<OwnerKey> owner_keys(Transaction& t, const std::string& owner) {
  OwnerKey key;
  soci::statement rows = (t.sql.prepare << "SELECT fingerprint, public_key, created FROM owner_keys"
                                           " WHERE owner = :o ORDER BY created, fingerprint",
                          use(owner), into(key.fingerprint), into(key.public_key), into(key.created));
  return fetch_all(rows, key);
}

Result<void> add_owner_key(Transaction& t, const std::string& owner, const OwnerKey& key) {
  int had = 0;
  t.sql << "SELECT COUNT(*) FROM owner_keys WHERE owner = :o AND fingerprint = :f", use(owner),
      use(key.fingerprint), into(had);
  if (had > 0) return fail("owner " + owner + " has the key " + key.fingerprint + " already", kConflict);
  t.sql << "INSERT INTO owner_keys VALUES (:o, :f, :k, :c)", use(owner), use(key.fingerprint),
      use(key.public_key), use(key.created);
  return {};
}

bool remove_owner_key(Transaction& t, const std::string& owner, const std::string& fingerprint) {
  soci::statement gone = (t.sql.prepare << "DELETE FROM owner_keys WHERE owner = :o AND fingerprint = :f",
                          use(owner), use(fingerprint));
  gone.execute(true);
  return gone.get_affected_rows() > 0;
}

void set_shares(Transaction& t, const std::string& environment, const std::vector<std::string>& owners) {
  t.sql << "DELETE FROM shares WHERE environment = :e", use(environment);
  for (const std::string& owner : owners)
    t.sql << "INSERT INTO shares VALUES (:e, :o)", use(environment), use(owner);
}

std::vector<std::string> environments_concerning(Transaction& t, const std::string& owner) {
  std::string id;
  soci::statement rows =
      (t.sql.prepare << "SELECT id FROM environments WHERE deleted = 0 AND (owner = :o OR id IN"
                        " (SELECT environment FROM shares WHERE owner = :p)) ORDER BY id",
       use(owner), use(owner), into(id));
  return fetch_all(rows, id);
}

}  // namespace envgate::control::store
