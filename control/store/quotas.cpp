#include "control/store/environments.hpp"
#include "control/store/session.hpp"

namespace envgate::control::store {

using soci::into;
using soci::use;

void set_quota(Transaction& t, const std::string& owner, const Quota& q) {
  t.sql << "DELETE FROM quotas WHERE owner = :o", use(owner);
  t.sql << "INSERT INTO quotas VALUES (:o, :c, :m, :g, :s, :n)", use(owner), use(q.most.cpu_millis),
      use(q.most.memory_bytes), use(q.most.gpus), use(q.most.storage_bytes), use(q.environments);
}

bool remove_quota(Transaction& t, const std::string& owner) {
  soci::statement gone = (t.sql.prepare << "DELETE FROM quotas WHERE owner = :o", use(owner));
  gone.execute(true);
  return gone.get_affected_rows() > 0;
}

std::optional<Quota> find_quota(Transaction& t, const std::string& owner) {
  Quota q;
  t.sql << "SELECT cpu_millis, memory_bytes, gpus, storage_bytes, environments FROM quotas WHERE owner = :o",
      use(owner), into(q.most.cpu_millis), into(q.most.memory_bytes), into(q.most.gpus),
      into(q.most.storage_bytes), into(q.environments);
  if (!t.sql.got_data()) return std::nullopt;
  return q;
}

std::vector<std::pair<std::string, Quota>> list_quotas(Transaction& t) {
  std::string owner;
  Quota q;
  soci::statement rows =
      (t.sql.prepare << "SELECT owner, cpu_millis, memory_bytes, gpus, storage_bytes, environments"
                        " FROM quotas ORDER BY owner",
       into(owner), into(q.most.cpu_millis), into(q.most.memory_bytes), into(q.most.gpus),
       into(q.most.storage_bytes), into(q.environments));
  std::vector<std::pair<std::string, Quota>> all;
  rows.execute();
  while (rows.fetch()) all.emplace_back(owner, q);
  return all;
}

Quota used_by(Transaction& t, const std::string& owner) {
  Quota used;
  t.sql << "SELECT CAST(COALESCE(SUM(cpu_millis * holds_compute), 0) AS BIGINT),"
           " CAST(COALESCE(SUM(memory_bytes * holds_compute), 0) AS BIGINT),"
           " CAST(COALESCE(SUM(gpus * holds_compute), 0) AS BIGINT),"
           " CAST(COALESCE(SUM(storage_bytes), 0) AS BIGINT), COUNT(*)"
           " FROM environments WHERE owner = :o AND deleted = 0",
      use(owner), into(used.most.cpu_millis), into(used.most.memory_bytes), into(used.most.gpus),
      into(used.most.storage_bytes), into(used.environments);
  return used;
}

Result<void> check_quota(Transaction& t, const std::string& owner, const Resources& more,
                         long long more_environments) {
  const auto quota = find_quota(t, owner);
  if (!quota)
    return fail("owner " + owner + " has no quota: set one first (envctl quota set " + owner + " ...)",
                kQuotaExceeded);
  const Quota used = used_by(t, owner);
  const auto over = [&](const char* what, long long wanted, long long held, long long most) -> Result<void> {
    if (wanted == 0 || wanted <= most - held) return {};
    return fail("the quota of " + owner + " does not allow it: " + what + " " + std::to_string(held) +
                    " of " + std::to_string(most) + " in use, " + std::to_string(wanted) + " more wanted",
                kQuotaExceeded);
  };
  for (const auto& fits :
       {over("environments", more_environments, used.environments, quota->environments),
        over("cpu (thousandths of a core)", more.cpu_millis, used.most.cpu_millis, quota->most.cpu_millis),
        over("memory (bytes)", more.memory_bytes, used.most.memory_bytes, quota->most.memory_bytes),
        over("gpus", more.gpus, used.most.gpus, quota->most.gpus),
        over("storage (bytes)", more.storage_bytes, used.most.storage_bytes, quota->most.storage_bytes)})
    if (!fits) return fits;
  return {};
}

}  // namespace envgate::control::store
