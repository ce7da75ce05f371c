#include "control/store/counts.hpp"

#include "control/store/session.hpp"

namespace envgate::control::store {
namespace {

std::map<std::string, long long> by_state(Transaction& t, const std::string& from) {
  std::string state;
  long long count = 0;
  soci::statement rows = (t.sql.prepare << "SELECT state, COUNT(*) FROM " + from + " GROUP BY state",
                          soci::into(state), soci::into(count));
  std::map<std::string, long long> all;
  rows.execute();
  while (rows.fetch()) all[state] = count;
  return all;
}

}  // namespace

Counts count_all(Transaction& t) {
  Counts counts;
  counts.environments = by_state(t, "environments WHERE deleted = 0");
  counts.machines = by_state(t, "machines");
  t.sql << "SELECT COUNT(*), CAST(COALESCE(MIN(created), 0) AS BIGINT) FROM operations"
           " WHERE state IN ('pending', 'running')",
      soci::into(counts.open_operations), soci::into(counts.oldest_open);
  return counts;
}

}  // namespace envgate::control::store
