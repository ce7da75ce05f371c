// The schema, version by version. A version that has shipped is never edited: a change is a new entry.
#include <array>

#include "control/store/session.hpp"

namespace envgate::control::store {
namespace {

// BIGINT and TEXT only: both databases have them, and SOCI reads both alike.
constexpr std::array kVersion1 = {
    "CREATE TABLE environments (id TEXT PRIMARY KEY, name TEXT NOT NULL, owner TEXT NOT NULL,"
    " backend TEXT NOT NULL, spec TEXT NOT NULL, desired TEXT NOT NULL, observed TEXT NOT NULL,"
    " conditions TEXT NOT NULL, generation BIGINT NOT NULL, cpu_millis BIGINT NOT NULL,"
    " memory_bytes BIGINT NOT NULL, gpus BIGINT NOT NULL, storage_bytes BIGINT NOT NULL,"
    " holds_compute BIGINT NOT NULL, created BIGINT NOT NULL, updated BIGINT NOT NULL,"
    " deleted BIGINT NOT NULL)",
    "CREATE INDEX environments_owner ON environments (owner, deleted)",
    "CREATE TABLE operations (id TEXT PRIMARY KEY, environment TEXT NOT NULL REFERENCES environments (id),"
    " kind TEXT NOT NULL, state TEXT NOT NULL, steps TEXT NOT NULL, error TEXT NOT NULL,"
    " created BIGINT NOT NULL, updated BIGINT NOT NULL)",
    "CREATE INDEX operations_environment ON operations (environment)",
    "CREATE TABLE leases (port BIGINT PRIMARY KEY, service TEXT NOT NULL, environment TEXT NOT NULL,"
    " released BIGINT NOT NULL)",
    "CREATE INDEX leases_environment ON leases (environment)",
    "CREATE TABLE quotas (owner TEXT PRIMARY KEY, cpu_millis BIGINT NOT NULL, memory_bytes BIGINT NOT NULL,"
    " gpus BIGINT NOT NULL, storage_bytes BIGINT NOT NULL, environments BIGINT NOT NULL)",
    "CREATE TABLE outbox (seq BIGINT PRIMARY KEY, environment TEXT NOT NULL, generation BIGINT NOT NULL,"
    " change TEXT NOT NULL)",
    "CREATE TABLE audit (seq BIGINT PRIMARY KEY, at BIGINT NOT NULL, who TEXT NOT NULL, action TEXT NOT NULL,"
    " object TEXT NOT NULL, before_state TEXT NOT NULL, after_state TEXT NOT NULL, result TEXT NOT NULL,"
    " hash TEXT NOT NULL)",
    "CREATE TABLE sealed_secrets (environment TEXT NOT NULL REFERENCES environments (id), name TEXT NOT NULL,"
    " sealed TEXT NOT NULL, PRIMARY KEY (environment, name))",
    "CREATE TABLE head (id BIGINT PRIMARY KEY, outbox_seq BIGINT NOT NULL, audit_seq BIGINT NOT NULL,"
    " audit_hash TEXT NOT NULL)",
    "INSERT INTO head VALUES (1, 0, 0, '')",
};
constexpr long long kNewest = 1;

}  // namespace

Result<void> migrate(Transaction& t) {
  t.sql << "CREATE TABLE IF NOT EXISTS schema_versions (version BIGINT PRIMARY KEY, applied BIGINT NOT NULL)";
  long long version = 0;
  t.sql << "SELECT CAST(COALESCE(MAX(version), 0) AS BIGINT) FROM schema_versions", soci::into(version);
  if (version > kNewest)
    return fail("the database has schema version " + std::to_string(version) + " and this program knows " +
                std::to_string(kNewest) + "; run the newer program, or restore the backup from before it");
  if (version < 1) {
    for (const char* statement : kVersion1) t.sql << statement;
    t.sql << "INSERT INTO schema_versions VALUES (1, :now)", soci::use(now_ms());
  }
  return {};
}

}  // namespace envgate::control::store
