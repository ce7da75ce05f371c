#include "control/store/machines.hpp"

#include <algorithm>
#include <tuple>

#include "control/store/session.hpp"

namespace envgate::control::store {
namespace {
constexpr std::string_view kStates[] = {"available", "allocated",   "draining",   "cleaning",
                                        "verifying", "quarantined", "maintenance"};

template <typename M, typename Visit>
void each_column(M& m, Visit visit) {
  visit("name", m.name), visit("region", m.region), visit("gpu_model", m.gpu_model), visit("gpus", m.gpus);
  visit("cpu", m.cpu), visit("memory_bytes", m.memory_bytes), visit("disk_bytes", m.disk_bytes);
  visit("price", m.price), visit("address", m.address), visit("ssh_port", m.ssh_port);
  visit("admin_user", m.admin_user), visit("admin_key", m.admin_key), visit("host_keys", m.host_keys);
  visit("labels", m.labels), visit("reason", m.reason), visit("environment", m.environment);
  visit("version", m.version), visit("created", m.created), visit("updated", m.updated);
  visit("checked", m.checked);
}
}  // namespace

std::string_view to_string(MachineState state) { return kStates[static_cast<std::size_t>(state)]; }

}  // namespace envgate::control::store

namespace soci {
template <>
struct type_conversion<envgate::control::store::PoolMachine> {
  using Machine = envgate::control::store::PoolMachine;
  using base_type = values;
  static void from_base(const values& row, indicator, Machine& m) {
    envgate::control::store::each_column(m, [&](const char* name, auto& field) {
      field = row.get<std::remove_reference_t<decltype(field)>>(name);
    });
    const auto state = row.get<std::string>("state");
    for (std::size_t i = 0; i < std::size(envgate::control::store::kStates); ++i)
      if (envgate::control::store::kStates[i] == state)
        m.state = static_cast<envgate::control::store::MachineState>(i);
    m.reachable = row.get<long long>("reachable") != 0;
  }
  static void to_base(const Machine& m, values& row, indicator& ind) {
    envgate::control::store::each_column(m,
                                         [&](const char* name, const auto& field) { row.set(name, field); });
    row.set("state", std::string(to_string(m.state)));
    row.set("reachable", static_cast<long long>(m.reachable));
    ind = i_ok;
  }
};
}  // namespace soci

namespace envgate::control::store {

using soci::into;
using soci::use;

Result<void> insert_machine(Transaction& t, const PoolMachine& m) {
  std::string other;
  t.sql << "SELECT name FROM machines WHERE name = :n OR (address = :a AND ssh_port = :p)", use(m.name),
      use(m.address), use(m.ssh_port), into(other);
  if (t.sql.got_data())
    return fail(other == m.name ? "there is a machine " + other + " already"
                                : "machine " + other + " has the address " + m.address + " already",
                kConflict);
  t.sql
      << "INSERT INTO machines (name, region, gpu_model, gpus, cpu, memory_bytes, disk_bytes, price, address,"
         " ssh_port, admin_user, admin_key, host_keys, labels, state, reason, reachable, environment, "
         "version,"
         " created, updated, checked) VALUES (:name, :region, :gpu_model, :gpus, :cpu, :memory_bytes,"
         " :disk_bytes, :price, :address, :ssh_port, :admin_user, :admin_key, :host_keys, :labels, :state,"
         " :reason, :reachable, :environment, :version, :created, :updated, :checked)",
      use(m);
  return {};
}

void update_machine(Transaction& t, PoolMachine& m) {
  ++m.version;
  m.updated = now_ms();
  t.sql << "UPDATE machines SET region = :region, gpu_model = :gpu_model, gpus = :gpus, cpu = :cpu,"
           " memory_bytes = :memory_bytes, disk_bytes = :disk_bytes, price = :price, address = :address,"
           " ssh_port = :ssh_port, admin_user = :admin_user, admin_key = :admin_key, host_keys = :host_keys,"
           " labels = :labels, state = :state, reason = :reason, reachable = :reachable,"
           " environment = :environment, version = :version, updated = :updated, checked = :checked"
           " WHERE name = :name",
      use(m);
}

void remove_machine(Transaction& t, const std::string& name) {
  t.sql << "DELETE FROM machines WHERE name = :n", use(name);
}

std::optional<PoolMachine> find_machine(Transaction& t, const std::string& name) {
  PoolMachine m;
  t.sql << "SELECT * FROM machines WHERE name = :n", use(name), into(m);
  if (!t.sql.got_data()) return std::nullopt;
  return m;
}

std::optional<PoolMachine> machine_of(Transaction& t, const std::string& environment) {
  PoolMachine m;
  t.sql << "SELECT * FROM machines WHERE environment = :e", use(environment), into(m);
  if (!t.sql.got_data()) return std::nullopt;
  return m;
}

std::vector<PoolMachine> list_machines(Transaction& t, const std::string& state) {
  PoolMachine m;
  const int any = state.empty() ? 1 : 0;
  soci::statement rows =
      (t.sql.prepare << "SELECT * FROM machines WHERE :any = 1 OR state = :s ORDER BY name", use(any),
       use(state), into(m));
  return fetch_all(rows, m);
}

Result<PoolMachine> allocate_machine(Transaction& t, const MachineWanted& w, const std::string& environment) {
  std::optional<PoolMachine> best;
  if (!w.name.empty()) {
    best = find_machine(t, w.name);
    if (!best) return fail("there is no machine " + w.name, kNoMachine);
    if (best->state != MachineState::available)
      return fail("machine " + w.name + " is " + std::string(to_string(best->state)) + ", not available",
                  kNoMachine);
    if (!best->reachable) return fail("machine " + w.name + " did not answer its last check", kNoMachine);
  } else {
    const auto size = [](const PoolMachine& m) { return std::tuple(m.gpus, m.cpu, m.memory_bytes, m.name); };
    for (const PoolMachine& m : list_machines(t, "available")) {
      const bool fits = m.reachable && (w.region.empty() || m.region == w.region) &&
                        (w.gpu_model.empty() || m.gpu_model == w.gpu_model) && m.gpus >= w.gpus &&
                        m.cpu >= w.cpu && m.memory_bytes >= w.memory_bytes && m.disk_bytes >= w.disk_bytes;
      if (fits && (!best || size(m) < size(*best))) best = m;
    }
    if (!best)
      return fail("no machine that is available and answers fits the selector (envctl machine ls)",
                  kNoMachine);
  }
  best->state = MachineState::allocated;
  best->environment = environment;
  best->reason.clear();
  update_machine(t, *best);
  return std::move(*best);
}

}  // namespace envgate::control::store
