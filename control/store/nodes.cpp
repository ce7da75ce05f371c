#include "control/store/nodes.hpp"

#include "control/store/session.hpp"

namespace soci {
template <>
struct type_conversion<envgate::control::store::Node> {
  using Node = envgate::control::store::Node;
  using base_type = values;
  static void from_base(const values& row, indicator, Node& n) {
    n = {row.get<std::string>("name"),        row.get<std::string>("host"),
         row.get<std::string>("address"),     row.get<std::string>("ca"),
         row.get<std::string>("certificate"), row.get<std::string>("private_key"),
         row.get<std::string>("gpus"),        row.get<std::string>("engine_id"),
         row.get<long long>("open") != 0,     row.get<long long>("created")};
  }
  static void to_base(const Node&, values&, indicator&) {}  // written field by field below
};
}  // namespace soci

namespace envgate::control::store {

using soci::into;
using soci::use;

Result<void> insert_node(Transaction& t, const Node& n) {
  std::string other;
  t.sql << "SELECT name FROM nodes WHERE name = :n OR engine_id = :e", use(n.name), use(n.engine_id),
      into(other);
  if (t.sql.got_data())
    return fail(other == n.name ? "there is a node " + other + " already"
                                : "the engine at " + n.host + " is node " + other + " already",
                kConflict);
  const long long open = n.open;
  t.sql << "INSERT INTO nodes (name, host, address, ca, certificate, private_key, gpus, engine_id, open,"
           " created) VALUES (:n, :h, :a, :ca, :cert, :key, :g, :e, :o, :c)",
      use(n.name), use(n.host), use(n.address), use(n.ca), use(n.certificate), use(n.private_key),
      use(n.gpus), use(n.engine_id), use(open), use(n.created);
  return {};
}

void open_node(Transaction& t, const std::string& name, bool open) {
  const long long value = open;
  t.sql << "UPDATE nodes SET open = :o WHERE name = :n", use(value), use(name);
}

void remove_node(Transaction& t, const std::string& name) {
  t.sql << "DELETE FROM nodes WHERE name = :n", use(name);
}

std::optional<Node> find_node(Transaction& t, const std::string& name) {
  Node node;
  t.sql << "SELECT * FROM nodes WHERE name = :n", use(name), into(node);
  if (!t.sql.got_data()) return std::nullopt;
  return node;
}

std::vector<Node> list_nodes(Transaction& t) {
  Node node;
  soci::statement rows = (t.sql.prepare << "SELECT * FROM nodes ORDER BY name", into(node));
  return fetch_all(rows, node);
}

std::map<std::string, Placed> placed_by_node(Transaction& t, const std::string& backend) {
  std::string node;
  Placed one;
  soci::statement rows =
      (t.sql.prepare << "SELECT node, CAST(SUM(cpu_millis * holds_compute) AS BIGINT),"
                        " CAST(SUM(memory_bytes * holds_compute) AS BIGINT),"
                        " CAST(SUM(gpus * holds_compute) AS BIGINT), COUNT(*) FROM environments"
                        " WHERE backend = :b AND deleted = 0 GROUP BY node",
       use(backend), into(node), into(one.cpu_millis), into(one.memory_bytes), into(one.gpus),
       into(one.environments));
  std::map<std::string, Placed> all;
  rows.execute();
  while (rows.fetch()) all[node] = one;
  return all;
}

}  // namespace envgate::control::store
