// /api/machines: the pool of physical machines.
#include "control/api/handling.hpp"
#include "control/machines/pool.hpp"
#include "control/machines/table.hpp"
#include "control/store/audit.hpp"
#include "control/store/now.hpp"

namespace envgate::control::api {
namespace {

using store::MachineState;
using store::PoolMachine;

Answer<PoolMachine> find(Context& context, const std::string& name) {
  return read(context, [&](store::Transaction& t) -> Result<PoolMachine> {
    auto machine = store::find_machine(t, name);
    if (!machine) return fail("there is no machine " + name, store::kNotFound);
    return std::move(*machine);
  });
}

Response answer(const Request& request, const Answer<PoolMachine>& machine, int status = 200) {
  if (!machine) return problem_response(machine.error(), request);
  Response response = json_response(status, machine_view(*machine));
  response.headers.emplace_back("ETag", "\"" + std::to_string(machine->version) + "\"");
  return response;
}

Response list(Context& context, const Request& request) {
  const auto machines = read(context, [&](store::Transaction& t) -> Result<std::vector<PoolMachine>> {
    return store::list_machines(t, "");
  });
  if (!machines) return problem_response(machines.error(), request);
  json all = {{"machines", json::array()}, {"next", nullptr}};
  for (const PoolMachine& machine : *machines) {
    json view = machine_view(machine);
    bool wanted = true;
    for (const char* filter : {"state", "region", "gpu_model"}) {
      const std::string value = request.parameter(filter);
      wanted = wanted && (value.empty() || view[filter] == value);
    }
    if (wanted) all["machines"].push_back(std::move(view));
  }
  return json_response(200, all);
}

Response show(Context& context, const Request& request) {
  return answer(request, find(context, request.names[0]));
}

// Keys that were not given are asked of the machine: trust on first use, which the answer shows.
Answer<void> pin_host_keys(Context& context, PoolMachine& machine) {
  if (machine.host_keys != "[]") return {};
  const auto address = IpAddress::parse(machine.address);
  const auto keys = backends::physical::scan_host_keys(context.machines.physical(), *address,
                                                       static_cast<std::uint16_t>(machine.ssh_port),
                                                       backends::Call::within(std::chrono::seconds(20)));
  if (!keys)
    return refuse(409, "unreachable", keys.error().message + "; give host_keys, or add it once it answers");
  machine.host_keys = write_json(json(*keys));
  return {};
}

// All of them or none. A machine's login is not tried here: its first check says whether it works.
Answer<std::vector<PoolMachine>> insert(Context& context, const Request& request, const json& wanted) {
  Fields fields;
  std::vector<PoolMachine> machines;
  for (std::size_t i = 0; i < wanted.size(); ++i)
    machines.push_back(parse_machine(fields, wanted[i], wanted.size() == 1 ? "" : "/" + std::to_string(i)));
  if (!fields.good())
    return tl::unexpected(Problem{422, "invalid", "the request has wrong fields", std::move(fields.errors)});
  for (PoolMachine& machine : machines)
    if (auto pinned = pin_host_keys(context, machine); !pinned) return tl::unexpected(pinned.error());
  return write(context, [&](store::Transaction& t) -> Result<std::vector<PoolMachine>> {
    for (PoolMachine& machine : machines) {
      machine.created = machine.updated = store::now_ms();
      if (auto inserted = store::insert_machine(t, machine); !inserted) return Failure(inserted.error());
      store::append_audit(t, {request.caller.who, "machine_add", machine.name, "",
                              write_json(machine_view(machine)), "done"});
    }
    return machines;
  });
}

Response add(Context& context, const Request& request) {
  const auto body = body_of(request);
  if (!body) return problem_response(body.error(), request);
  const auto made = insert(context, request, json::array({*body}));
  if (!made) return problem_response(made.error(), request);
  return answer(request, made->front(), 201);
}

Response import(Context& context, const Request& request) {
  const bool csv = request.content_type.starts_with("text/csv");
  auto list = csv ? read_csv(request.body) : read_yaml(request.body);
  if (!list) return problem_response({422, "invalid", list.error().message, {}}, request);
  if (list->empty()) return problem_response({422, "invalid", "no machine is in it", {}}, request);
  const auto made = insert(context, request, *list);
  if (!made) return problem_response(made.error(), request);
  json all = {{"machines", json::array()}};
  for (const PoolMachine& machine : *made) all["machines"].push_back(machine_view(machine));
  return json_response(201, all);
}

Response remove(Context& context, const Request& request) {
  const auto gone = write(context, [&](store::Transaction& t) -> Result<PoolMachine> {
    auto machine = store::find_machine(t, request.names[0]);
    if (!machine) return fail("there is no machine " + request.names[0], store::kNotFound);
    if (!machine->environment.empty())
      return fail("machine " + machine->name + " is held by environment " + machine->environment +
                      ": delete that first",
                  store::kConflict);
    store::remove_machine(t, machine->name);
    store::append_audit(t, {request.caller.who, "machine_remove", machine->name,
                            write_json(machine_view(*machine)), "", "done"});
    return std::move(*machine);
  });
  return answer(request, gone);
}

Response check(Context& context, const Request& request) {
  const auto seen = context.machines.look(request.names[0]);
  if (!seen) return problem_response(problem_of(seen.error()), request);
  json view = machine_view(seen->first);
  const backends::physical::Facts& facts = seen->second;
  json gpus = json::array();
  for (const auto& gpu : facts.gpus) gpus.push_back({{"model", gpu.model}, {"uuid", gpu.uuid}});
  view["facts"] = {{"reachable", facts.reachable},
                   {"reason", facts.reason},
                   {"hostname", facts.hostname},
                   {"cpus", facts.cpus},
                   {"memory", facts.memory.count},
                   {"disk", facts.disk.count},
                   {"gpus", std::move(gpus)},
                   {"uptime_seconds", facts.uptime.count()},
                   {"clock_difference_seconds", facts.clock_difference.count()}};
  return json_response(200, view);
}

// Between the pool and an operator's hands; never while it is let or on its way back.
Response move(Context& context, const Request& request, MachineState to) {
  const auto moved = write(context, [&](store::Transaction& t) -> Result<PoolMachine> {
    auto machine = store::find_machine(t, request.names[0]);
    if (!machine) return fail("there is no machine " + request.names[0], store::kNotFound);
    if (!machine->environment.empty())
      return fail("machine " + machine->name + " is " + std::string(to_string(machine->state)) +
                      " with environment " + machine->environment + ": delete that first",
                  store::kConflict);
    const std::string before(to_string(machine->state));
    machine->state = to;
    machine->reason.clear();
    store::update_machine(t, *machine);
    store::append_audit(
        t, {request.caller.who, "machine_state", machine->name, before, std::string(to_string(to)), "done"});
    return std::move(*machine);
  });
  return answer(request, moved);
}

Response maintenance(Context& context, const Request& request) {
  return move(context, request, MachineState::maintenance);
}
Response available(Context& context, const Request& request) {
  return move(context, request, MachineState::available);
}

}  // namespace

std::vector<Operation> machine_operations() {
  return {
      {"GET", "/api/machines", Role::read, list, "List the pool of physical machines"},
      {"POST", "/api/machines", Role::admin, add, "Add a machine to the pool"},
      {"POST", "/api/machines/import", Role::admin, import, "Add machines from CSV or YAML, all or none"},
      {"GET", "/api/machines/{name}", Role::read, show, "Show a machine"},
      {"DELETE", "/api/machines/{name}", Role::admin, remove, "Remove a machine from the pool"},
      {"POST", "/api/machines/{name}/check", Role::admin, check, "Look at a machine now"},
      {"POST", "/api/machines/{name}/maintenance", Role::admin, maintenance,
       "Take a machine out of the pool"},
      {"POST", "/api/machines/{name}/available", Role::admin, available, "Take a machine in again"},
  };
}

}  // namespace envgate::control::api
