// The room's own view of a transaction: SOCI's session. Included by this room's .cpp files only, since SOCI
// is heavy.
#pragma once

#include <soci/soci.h>

#include <vector>

#include "control/store/database.hpp"
#include "control/store/now.hpp"

namespace envgate::control::store {

class Transaction {
 public:
  explicit Transaction(soci::session& session) : sql(session) {}
  soci::session& sql;
};

// Every row of a statement that fetches into `row`.
template <typename Row>
std::vector<Row> fetch_all(soci::statement& rows, const Row& row) {
  std::vector<Row> all;
  rows.execute();
  while (rows.fetch()) all.push_back(row);
  return all;
}

// Requires: within a transaction that holds the writer's lock. Errors: the database is newer.
Result<void> migrate(Transaction& t);

}  // namespace envgate::control::store
