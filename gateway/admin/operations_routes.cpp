#include "gateway/admin/ask_workers.hpp"
#include "gateway/admin/context.hpp"
#include "gateway/admin/json_writer.hpp"
#include "gateway/admin/operations.hpp"
#include "gateway/admin/sessions.hpp"
#include "gateway/gateway.hpp"
#include "gateway/http/target_pool.hpp"
#include "routing/route_json.hpp"

namespace envgate::admin {
namespace {

Response no_environment_id(const std::string& text, std::string_view field) {
  return problem(
      400, std::string(field) + ": '" + text + "' is not an environment's id: 1 to 32 of a-z and 0-9", field);
}

}  // namespace

Response get_routes(Context& context, const Request& request) {
  if (auto refused = request.refuse_unknown({"after", "limit"})) return *refused;
  const auto limit = request.number("limit", 1, kLargestPage, kDefaultPage);
  if (!limit) return limit.error();
  std::optional<routing::EnvId> after;
  if (const std::string* const text = request.parameter("after")) {
    after = routing::EnvId::parse(*text);
    if (!after) return no_environment_id(*text, "after");
  }
  const routing::RoutePage page = context.gateway.router().list(after, *limit);
  JsonWriter json;
  json.begin_object().key("routes").begin_array();
  std::string route_text;
  for (const routing::RoutePtr& route : page.routes) {
    route_text.clear();
    routing::append_json(route_text, *route);
    json.raw(route_text);
  }
  json.end_array().key("next");
  if (page.next)
    json.text(page.next->view());
  else
    json.null();
  json.number("total", context.gateway.router().status().routes).end_object();
  return {200, "application/json", std::move(json).finish(), {}};
}

Response get_route(Context& context, const Request& request) {
  if (auto refused = request.refuse_unknown({})) return *refused;
  const auto env = routing::EnvId::parse(request.name);
  if (!env) return no_environment_id(request.name, "env");
  const routing::RoutePtr route = context.gateway.router().get(*env);
  if (!route) return problem(404, "there is no route for the environment " + request.name, "env");

  const auto pooled = ask_workers<std::size_t>(
      context.gateway.workers(), [env](gateway::Worker& worker) { return worker.pool->idle(*env); });
  std::vector<std::uint64_t> sessions(pooled.size());
  for (const SessionFacts& session : collect_sessions(context.gateway.workers(), {env, {}}))
    ++sessions[gateway::Sessions::worker_of(session.id)];
  JsonWriter workers;
  workers.begin_array();
  for (std::size_t i = 0; i < pooled.size(); ++i)
    workers.begin_object()
        .number("worker", i)
        .number("sessions", sessions[i])
        .number("pooled_connections", pooled[i].value_or(0))
        .end_object();
  workers.end_array();

  // The route as the routing engine writes it, with the workers' side as one more member.
  std::string text = routing::to_json(*route);
  text.pop_back();
  text.append(",\"workers\":").append(std::move(workers).finish());
  text.back() = '}';
  return {200, "application/json", text + "\n", {}};
}

}  // namespace envgate::admin
