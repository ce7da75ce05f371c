// /api/machines: the pool of physical machines.
#include "control/store/machines.hpp"

#include "control/api/handling.hpp"
#include "control/store/audit.hpp"

namespace envgate::control::api {
namespace {

Response list(Context& context, const Request& request) {
  const auto machines = read(context, [&](store::Transaction& t) -> Result<std::vector<store::PoolMachine>> {
    return store::list_machines(t, request.parameter("state"));
  });
  if (!machines) return problem_response(machines.error(), request);
  json answer = {{"machines", json::array()}, {"next", nullptr}};
  for (const store::PoolMachine& machine : *machines) answer["machines"].push_back(machine_view(machine));
  return json_response(200, answer);
}

Response show(Context& context, const Request& request) {
  const auto machine = read(context, [&](store::Transaction& t) -> Result<std::optional<store::PoolMachine>> {
    return store::find_machine(t, request.names[0]);
  });
  if (!machine) return problem_response(machine.error(), request);
  if (!*machine) return not_found(request, "machine " + request.names[0]);
  return json_response(200, machine_view(**machine));
}

}  // namespace

std::vector<Operation> machine_operations() {
  return {
      {"GET", "/api/machines", Role::read, list, "List the pool of physical machines"},
      {"GET", "/api/machines/{name}", Role::read, show, "Show a machine"},
  };
}

}  // namespace envgate::control::api
