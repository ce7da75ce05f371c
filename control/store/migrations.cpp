// The schema, version by version. A version that has shipped is never edited: a change is a new entry.
#include <array>
#include <span>

#include "control/store/session.hpp"

namespace envgate::control::store {
namespace {

// BIGINT and TEXT only: both databases have them, and SOCI reads both alike. Times are milliseconds since the
// epoch; 0 is "not".
constexpr std::array kVersion1 = {
    "CREATE TABLE environments (id TEXT PRIMARY KEY, name TEXT NOT NULL, owner TEXT NOT NULL,"
    " backend TEXT NOT NULL, node TEXT NOT NULL, spec TEXT NOT NULL, policy TEXT NOT NULL,"
    " desired TEXT NOT NULL, state TEXT NOT NULL, conditions TEXT NOT NULL, generation BIGINT NOT NULL,"
    " version BIGINT NOT NULL, cpu_millis BIGINT NOT NULL, memory_bytes BIGINT NOT NULL, gpus BIGINT NOT "
    "NULL,"
    " storage_bytes BIGINT NOT NULL, holds_compute BIGINT NOT NULL, ssh_port BIGINT NOT NULL,"
    " address TEXT NOT NULL, published TEXT NOT NULL, instance TEXT NOT NULL, image_digest TEXT NOT NULL,"
    " login_version BIGINT NOT NULL, login_set BIGINT NOT NULL, login_instance TEXT NOT NULL,"
    " restarts_wanted BIGINT NOT NULL, restarts_done BIGINT NOT NULL, route TEXT NOT NULL,"
    " created BIGINT NOT NULL, updated BIGINT NOT NULL, started BIGINT NOT NULL, deleted BIGINT NOT NULL)",
    "CREATE INDEX environments_owner ON environments (owner, deleted)",
    "CREATE INDEX environments_created ON environments (created, id)",
    "CREATE INDEX environments_name ON environments (name, id)",
    "CREATE TABLE claims (environment TEXT PRIMARY KEY, token TEXT NOT NULL, until BIGINT NOT NULL)",
    "CREATE TABLE operations (id TEXT PRIMARY KEY, environment TEXT NOT NULL REFERENCES environments (id),"
    " kind TEXT NOT NULL, state TEXT NOT NULL, progress TEXT NOT NULL, steps TEXT NOT NULL,"
    " error TEXT NOT NULL, who TEXT NOT NULL, created BIGINT NOT NULL, updated BIGINT NOT NULL)",
    "CREATE INDEX operations_environment ON operations (environment, state)",
    "CREATE INDEX operations_created ON operations (created, id)",
    "CREATE TABLE leases (port BIGINT PRIMARY KEY, service TEXT NOT NULL, environment TEXT NOT NULL,"
    " target_port BIGINT NOT NULL, released BIGINT NOT NULL)",
    "CREATE INDEX leases_environment ON leases (environment)",
    "CREATE TABLE quotas (owner TEXT PRIMARY KEY, cpu_millis BIGINT NOT NULL, memory_bytes BIGINT NOT NULL,"
    " gpus BIGINT NOT NULL, storage_bytes BIGINT NOT NULL, environments BIGINT NOT NULL)",
    "CREATE TABLE outbox (seq BIGINT PRIMARY KEY, environment TEXT NOT NULL, route TEXT NOT NULL)",
    "CREATE TABLE events (seq BIGINT PRIMARY KEY, at BIGINT NOT NULL, environment TEXT NOT NULL,"
    " kind TEXT NOT NULL, body TEXT NOT NULL)",
    "CREATE TABLE audit (seq BIGINT PRIMARY KEY, at BIGINT NOT NULL, who TEXT NOT NULL, action TEXT NOT NULL,"
    " object TEXT NOT NULL, before_state TEXT NOT NULL, after_state TEXT NOT NULL, result TEXT NOT NULL,"
    " hash TEXT NOT NULL)",
    "CREATE TABLE sealed_secrets (environment TEXT NOT NULL REFERENCES environments (id), name TEXT NOT NULL,"
    " sealed TEXT NOT NULL, PRIMARY KEY (environment, name))",
    "CREATE TABLE answers (idempotency_key TEXT PRIMARY KEY, request TEXT NOT NULL, status BIGINT NOT NULL,"
    " body TEXT NOT NULL, created BIGINT NOT NULL)",
    "CREATE TABLE machines (name TEXT PRIMARY KEY, region TEXT NOT NULL, gpu_model TEXT NOT NULL,"
    " gpus BIGINT NOT NULL, cpu BIGINT NOT NULL, memory_bytes BIGINT NOT NULL, disk_bytes BIGINT NOT NULL,"
    " price TEXT NOT NULL, address TEXT NOT NULL, ssh_port BIGINT NOT NULL, admin_user TEXT NOT NULL,"
    " admin_key TEXT NOT NULL, host_keys TEXT NOT NULL, labels TEXT NOT NULL, state TEXT NOT NULL,"
    " reason TEXT NOT NULL, reachable BIGINT NOT NULL, environment TEXT NOT NULL, version BIGINT NOT NULL,"
    " created BIGINT NOT NULL, updated BIGINT NOT NULL, checked BIGINT NOT NULL)",
    "CREATE INDEX machines_environment ON machines (environment)",
    "CREATE TABLE nodes (name TEXT PRIMARY KEY, host TEXT NOT NULL, address TEXT NOT NULL, ca TEXT NOT NULL,"
    " certificate TEXT NOT NULL, private_key TEXT NOT NULL, gpus TEXT NOT NULL,"
    " engine_id TEXT NOT NULL UNIQUE, open BIGINT NOT NULL, created BIGINT NOT NULL)",
    "CREATE TABLE tokens (id TEXT PRIMARY KEY, name TEXT NOT NULL, hash TEXT NOT NULL UNIQUE,"
    " role TEXT NOT NULL, created BIGINT NOT NULL, expires BIGINT NOT NULL, used BIGINT NOT NULL)",
    "CREATE TABLE head (id BIGINT PRIMARY KEY, install TEXT NOT NULL, key_check TEXT NOT NULL,"
    " outbox_seq BIGINT NOT NULL, event_seq BIGINT NOT NULL, audit_seq BIGINT NOT NULL,"
    " audit_hash TEXT NOT NULL)",
    "INSERT INTO head VALUES (1, '', '', 0, 0, 0, '')",
};
// Audited SSH: what the gateway knows a customer and a target by, and what owners have of their own.
constexpr std::array kVersion2 = {
    "ALTER TABLE environments ADD COLUMN verifier TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE environments ADD COLUMN onward_key TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE environments ADD COLUMN host_keys TEXT NOT NULL DEFAULT '[]'",
    "ALTER TABLE environments ADD COLUMN ssh_server TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE environments ADD COLUMN host_keys_instance TEXT NOT NULL DEFAULT ''",
    "CREATE TABLE ssh_authority (id BIGINT PRIMARY KEY, public_key TEXT NOT NULL, sealed TEXT NOT NULL)",
    "CREATE TABLE owners (owner TEXT PRIMARY KEY, policy TEXT NOT NULL, totp TEXT NOT NULL,"
    " totp_step BIGINT NOT NULL, totp_wrong BIGINT NOT NULL, totp_since BIGINT NOT NULL)",
    "CREATE TABLE owner_keys (owner TEXT NOT NULL, fingerprint TEXT NOT NULL, public_key TEXT NOT NULL,"
    " created BIGINT NOT NULL, PRIMARY KEY (owner, fingerprint))",
    "CREATE TABLE shares (environment TEXT NOT NULL REFERENCES environments (id), owner TEXT NOT NULL,"
    " PRIMARY KEY (environment, owner))",
    "CREATE INDEX shares_owner ON shares (owner)",
};
constexpr long long kNewest = 2;

void apply(Transaction& t, long long version, std::span<const char* const> statements) {
  for (const char* statement : statements) t.sql << statement;
  const long long now = now_ms();
  t.sql << "INSERT INTO schema_versions VALUES (:v, :n)", soci::use(version), soci::use(now);
}

}  // namespace

Result<void> migrate(Transaction& t) {
  t.sql << "CREATE TABLE IF NOT EXISTS schema_versions (version BIGINT PRIMARY KEY, applied BIGINT NOT NULL)";
  long long version = 0;
  t.sql << "SELECT CAST(COALESCE(MAX(version), 0) AS BIGINT) FROM schema_versions", soci::into(version);
  if (version > kNewest)
    return fail("the database has schema version " + std::to_string(version) + " and this program knows " +
                std::to_string(kNewest) + "; run the newer program, or restore the backup from before it");
  if (version < 1) apply(t, 1, kVersion1);
  if (version < 2) apply(t, 2, kVersion2);
  return {};
}

}  // namespace envgate::control::store
