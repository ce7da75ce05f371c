#include "control/store/environments.hpp"

#include "control/store/environment_row.hpp"
#include "control/store/session.hpp"

namespace envgate::control::store {

using soci::into;
using soci::use;

std::optional<Environment> find_environment(Transaction& t, const std::string& id) {
  Environment e;
  t.sql << "SELECT * FROM environments WHERE id = :id", use(id), into(e);
  if (!t.sql.got_data()) return std::nullopt;
  return e;
}

void insert_environment(Transaction& t, const Environment& e) {
  t.sql << "INSERT INTO environments (id, name, owner, backend, node, spec, policy, desired, state,"
           " conditions, generation, version, cpu_millis, memory_bytes, gpus, storage_bytes, holds_compute,"
           " ssh_port, address, published, instance, image_digest, login_version, login_set, login_instance,"
           " restarts_wanted, restarts_done, verifier, onward_key, host_keys, ssh_server, host_keys_instance,"
           " route, created, updated, started, deleted)"
           " VALUES (:id, :name, :owner, :backend, :node, :spec, :policy, :desired, :state, :conditions,"
           " :generation, :version, :cpu_millis, :memory_bytes, :gpus, :storage_bytes, :holds_compute,"
           " :ssh_port, :address, :published, :instance, :image_digest, :login_version, :login_set,"
           " :login_instance, :restarts_wanted, :restarts_done, :verifier, :onward_key, :host_keys,"
           " :ssh_server, :host_keys_instance, :route, :created, :updated, :started, :deleted)",
      use(e);
}

void update_environment(Transaction& t, Environment& e) {
  ++e.version;
  e.updated = now_ms();
  t.sql << "UPDATE environments SET name = :name, node = :node, spec = :spec, policy = :policy,"
           " desired = :desired, state = :state, conditions = :conditions, generation = :generation,"
           " version = :version, cpu_millis = :cpu_millis, memory_bytes = :memory_bytes, gpus = :gpus,"
           " storage_bytes = :storage_bytes, holds_compute = :holds_compute, ssh_port = :ssh_port,"
           " address = :address, published = :published, instance = :instance,"
           " image_digest = :image_digest, login_version = :login_version, login_set = :login_set,"
           " login_instance = :login_instance, restarts_wanted = :restarts_wanted,"
           " restarts_done = :restarts_done, verifier = :verifier, onward_key = :onward_key,"
           " host_keys = :host_keys, ssh_server = :ssh_server, host_keys_instance = :host_keys_instance,"
           " route = :route, updated = :updated, started = :started,"
           " deleted = :deleted WHERE id = :id",
      use(e);
}

std::vector<Environment> list_environments(Transaction& t, const EnvironmentFilter& filter, Order order,
                                           const PageRequest& page) {
  const std::string key = order == Order::created ? "created" : "name";
  const std::string than = page.descending ? " < " : " > ", way = page.descending ? " DESC" : " ASC";
  std::string sql = "SELECT * FROM environments WHERE 1 = 1";
  // The names of columns are ours; what came from outside is bound.
  std::vector<std::string> bound;
  const auto equals = [&](const char* column, const std::string& value) {
    if (value.empty()) return;
    sql += std::string(" AND ") + column + " = :b" + std::to_string(bound.size());
    bound.push_back(value);
  };
  equals("owner", filter.owner);
  equals("backend", filter.backend);
  equals("node", filter.node);
  equals("name", filter.name);
  equals("state", filter.state);
  if (!filter.deleted) sql += " AND deleted = 0";
  const long long after_created = order == Order::created && !page.after_id.empty()
                                      ? std::strtoll(page.after_key.c_str(), nullptr, 10)
                                      : 0;
  if (!page.after_id.empty()) sql += " AND (" + key + ", id)" + than + "(:key, :id)";
  sql += " ORDER BY " + key + way + ", id" + way + " LIMIT " + std::to_string(page.limit);
  Environment e;
  soci::statement rows(t.sql);
  rows.alloc();
  rows.prepare(sql);
  rows.exchange(into(e));
  for (const std::string& value : bound) rows.exchange(use(value));
  if (!page.after_id.empty()) {
    if (order == Order::created)
      rows.exchange(use(after_created));
    else
      rows.exchange(use(page.after_key));
    rows.exchange(use(page.after_id));
  }
  rows.define_and_bind();
  return fetch_all(rows, e);
}

std::vector<Living> living_environments(Transaction& t, const std::string& backend, const std::string& node) {
  std::vector<Living> all;
  Living one;
  std::string desired, state;
  int open = 0;
  const int any_backend = backend.empty() ? 1 : 0, any_node = node.empty() ? 1 : 0;
  soci::statement rows =
      (t.sql.prepare << "SELECT id, backend, node, desired, state, generation, address, instance,"
                        " CASE WHEN login_set < login_version OR restarts_done < restarts_wanted"
                        " OR (onward_key <> '' AND backend <> 'physical' AND state = 'running'"
                        " AND host_keys_instance <> instance)"
                        " OR EXISTS (SELECT 1 FROM operations WHERE operations.environment = environments.id"
                        " AND operations.state IN ('pending', 'running')) THEN 1 ELSE 0 END FROM "
                        "environments WHERE deleted = 0"
                        " AND (:any_backend = 1 OR backend = :backend) AND (:any_node = 1 OR node = :node)"
                        " ORDER BY id",
       use(any_backend), use(backend), use(any_node), use(node), into(one.id), into(one.backend),
       into(one.node), into(desired), into(state), into(one.generation), into(one.address),
       into(one.instance), into(open));
  rows.execute();
  while (rows.fetch()) {
    one.desired = desired_of(desired);
    one.state = state_of(state);
    one.open = open != 0;
    all.push_back(one);
  }
  return all;
}

bool claim(Transaction& t, const std::string& environment, const std::string& token,
           std::chrono::milliseconds lifetime) {
  const long long now = now_ms(), until = now + lifetime.count();
  std::string holder;
  long long held = 0;
  t.sql << "SELECT token, until FROM claims WHERE environment = :e", use(environment), into(holder),
      into(held);
  if (t.sql.got_data() && holder != token && held > now) return false;
  t.sql << "DELETE FROM claims WHERE environment = :e", use(environment);
  t.sql << "INSERT INTO claims VALUES (:e, :t, :u)", use(environment), use(token), use(until);
  return true;
}

bool holds_claim(Transaction& t, const std::string& environment, const std::string& token) {
  int held = 0;
  t.sql << "SELECT COUNT(*) FROM claims WHERE environment = :e AND token = :t", use(environment), use(token),
      into(held);
  return held == 1;
}

void drop_claim(Transaction& t, const std::string& environment, const std::string& token) {
  t.sql << "DELETE FROM claims WHERE environment = :e AND token = :t", use(environment), use(token);
}

}  // namespace envgate::control::store
