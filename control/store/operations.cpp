#include "control/store/operations.hpp"

#include "control/store/session.hpp"

using envgate::control::store::Operation;
using envgate::control::store::OperationState;

namespace {
constexpr std::string_view kStates[] = {"pending", "running", "done", "failed"};
}

namespace soci {
template <>
struct type_conversion<Operation> {
  using base_type = values;
  static void from_base(const values& row, indicator, Operation& o) {
    o.id = row.get<std::string>("id");
    o.environment = row.get<std::string>("environment");
    o.kind = row.get<std::string>("kind");
    const auto state = row.get<std::string>("state");
    for (std::size_t i = 0; i < std::size(kStates); ++i)
      if (kStates[i] == state) o.state = static_cast<OperationState>(i);
    o.progress = row.get<std::string>("progress");
    o.steps = row.get<std::string>("steps");
    o.error = row.get<std::string>("error");
    o.who = row.get<std::string>("who");
    o.created = row.get<long long>("created");
    o.updated = row.get<long long>("updated");
  }
  static void to_base(const Operation& o, values& row, indicator& ind) {
    row.set("id", o.id);
    row.set("environment", o.environment);
    row.set("kind", o.kind);
    row.set("state", std::string(to_string(o.state)));
    row.set("progress", o.progress);
    row.set("steps", o.steps);
    row.set("error", o.error);
    row.set("who", o.who);
    row.set("created", o.created);
    row.set("updated", o.updated);
    ind = i_ok;
  }
};
}  // namespace soci

namespace envgate::control::store {

using soci::into;
using soci::use;

std::string_view to_string(OperationState state) { return kStates[static_cast<std::size_t>(state)]; }

void insert_operation(Transaction& t, const Operation& operation) {
  t.sql << "INSERT INTO operations (id, environment, kind, state, progress, steps, error, who, created,"
           " updated) VALUES (:id, :environment, :kind, :state, :progress, :steps, :error, :who, :created,"
           " :updated)",
      use(operation);
}

void update_operation(Transaction& t, Operation& operation) {
  operation.updated = now_ms();
  t.sql << "UPDATE operations SET state = :state, progress = :progress, steps = :steps, error = :error,"
           " updated = :updated WHERE id = :id",
      use(operation);
}

std::optional<Operation> find_operation(Transaction& t, const std::string& id) {
  Operation o;
  t.sql << "SELECT * FROM operations WHERE id = :id", use(id), into(o);
  if (!t.sql.got_data()) return std::nullopt;
  return o;
}

std::vector<Operation> open_operations(Transaction& t, const std::string& environment) {
  Operation o;
  soci::statement rows = (t.sql.prepare << "SELECT * FROM operations WHERE environment = :e AND"
                                           " state IN ('pending', 'running') ORDER BY created, id",
                          use(environment), into(o));
  return fetch_all(rows, o);
}

std::vector<Operation> list_operations(Transaction& t, const OperationFilter& filter,
                                       const PageRequest& page) {
  const std::string way = page.descending ? " DESC" : " ASC";
  std::string sql = "SELECT * FROM operations WHERE 1 = 1";
  if (!filter.environment.empty()) sql += " AND environment = :e";
  if (!filter.state.empty()) sql += " AND state = :s";
  if (!page.after_id.empty())
    sql += std::string(" AND (created, id)") + (page.descending ? " < " : " > ") + "(:k, :i)";
  sql += " ORDER BY created" + way + ", id" + way + " LIMIT " + std::to_string(page.limit);
  const long long after = std::strtoll(page.after_key.c_str(), nullptr, 10);
  Operation o;
  soci::statement rows(t.sql);
  rows.alloc();
  rows.prepare(sql);
  rows.exchange(into(o));
  if (!filter.environment.empty()) rows.exchange(use(filter.environment));
  if (!filter.state.empty()) rows.exchange(use(filter.state));
  if (!page.after_id.empty()) {
    rows.exchange(use(after));
    rows.exchange(use(page.after_id));
  }
  rows.define_and_bind();
  return fetch_all(rows, o);
}

long long forget_operations(Transaction& t, long long older_than_ms) {
  soci::statement gone = (t.sql.prepare << "DELETE FROM operations WHERE updated < :u AND"
                                           " state IN ('done', 'failed')",
                          use(older_than_ms));
  gone.execute(true);
  return gone.get_affected_rows();
}

}  // namespace envgate::control::store
