// Status, settings, the audit, health.
#include <charconv>

#include "base/command_line.hpp"
#include "control/api/handling.hpp"
#include "control/api/openapi.hpp"
#include "control/store/audit.hpp"
#include "control/store/now.hpp"

namespace envgate::control::api {
namespace {

json engines_view(Context& context) {
  json engines = json::array();
  for (const auto& [key, health] : context.reconciler.health())
    engines.push_back({{"engine", key},
                       {"answers", health.answers},
                       {"error", health.error},
                       {"environments", health.environments},
                       {"orphans", health.orphans}});
  return engines;
}

json redis_view(Context& context) {
  if (!context.redis) return nullptr;
  const RedisPublisher::Status redis = context.redis->status();
  return {{"connected", redis.connected},
          {"error", redis.error},
          {"maxmemory_policy", redis.maxmemory_policy},
          {"generation", redis.generation},
          {"rebuilds", redis.rebuilds}};
}

Response status(Context& context, const Request& request) {
  const auto generation =
      read(context, [](store::Transaction& t) -> Result<long long> { return store::route_generation(t); });
  if (!generation) return problem_response(generation.error(), request);
  const auto up =
      std::chrono::duration_cast<std::chrono::seconds>(std::chrono::steady_clock::now() - context.started);
  return json_response(
      200,
      {{"program", "envgate-control"},
       {"version", version()},
       {"install", context.install},
       {"time", timestamp_of(store::now_ms())},
       {"uptime_seconds", up.count()},
       {"role", to_string(request.caller.role)},
       {"route_generation", *generation},
       {"passes", {{"waiting", context.reconciler.waiting()}, {"working", context.reconciler.working()}}},
       {"engines", engines_view(context)},
       {"redis", redis_view(context)}});
}

Response healthz(Context&, const Request&) { return json_response(200, {{"status", "ok"}}); }

// Ready: the database answers. An engine that is away is no reason to take the API away.
Response readyz(Context& context, const Request& request) {
  const auto generation =
      read(context, [](store::Transaction& t) -> Result<long long> { return store::route_generation(t); });
  if (!generation) return problem_response(generation.error(), request);
  return json_response(200, {{"status", "ready"}, {"engines", engines_view(context)}});
}

Response settings_view(Context& context, const Request& request) {
  const std::string key = request.names.empty() ? "" : request.names[0];
  const auto explained = settings::explain(control_schema(), *context.snapshot(), key);
  if (!explained) return problem_response({404, "not_found", explained.error().message, {}}, request);
  json all = json::array();
  for (const settings::Explained& one : *explained)
    all.push_back({{"key", one.key},
                   {"value", one.value},
                   {"layer", settings::layer_name(one.origin.layer)},
                   {"place", one.origin.place},
                   {"default", one.default_value},
                   {"expects", one.expects},
                   {"description", one.description},
                   {"variable", one.variable}});
  return json_response(200, {{"settings", std::move(all)}});
}

// By number, newest first or last; a page's cursor is the last line's number.
Response audit(Context& context, const Request& request) {
  const auto paging = paging_of(request, {"created_at"}, {"who", "action", "object"});
  if (!paging) return problem_response(paging.error(), request);
  const store::AuditFilter filter{request.parameter("who"), request.parameter("action"),
                                  request.parameter("object")};
  long long after = 0;
  const std::string& from = paging->page.after_id;
  const auto parsed = std::from_chars(from.data(), from.data() + from.size(), after);
  if (!from.empty() && (parsed.ec != std::errc() || parsed.ptr != from.data() + from.size()))
    return problem_response({422,
                             "invalid",
                             "the query has wrong parameters",
                             {{"query cursor", "is not a cursor of this list"}}},
                            request);
  auto lines = read(context, [&](store::Transaction& t) -> Result<std::vector<store::AuditEntry>> {
    return store::list_audit(t, filter, after, paging->page.descending, paging->page.limit + 1);
  });
  if (!lines) return problem_response(lines.error(), request);
  json answer = {{"audit", json::array()}, {"next", nullptr}};
  if (lines->size() > paging->page.limit) {
    lines->pop_back();
    answer["next"] = cursor_of(std::to_string(lines->back().seq), std::to_string(lines->back().seq));
  }
  for (const store::AuditEntry& entry : *lines)
    answer["audit"].push_back({{"seq", entry.seq},
                               {"at", timestamp_of(entry.at)},
                               {"who", entry.line.who},
                               {"action", entry.line.action},
                               {"object", entry.line.object},
                               {"before", entry.line.before},
                               {"after", entry.line.after},
                               {"result", entry.line.result},
                               {"hash", entry.hash}});
  return json_response(200, answer);
}

Response verify(Context& context, const Request& request) {
  std::string wrong;
  const auto newest = read(context, [&](store::Transaction& t) -> Result<store::AuditHead> {
    const auto whole = store::verify_audit(t);
    wrong = whole ? "" : whole.error().message;
    return store::audit_head(t);
  });
  if (!newest) return problem_response(newest.error(), request);
  return json_response(
      200,
      {{"whole", wrong.empty()}, {"message", wrong}, {"lines", newest->seq}, {"newest_hash", newest->hash}});
}

Response openapi(Context&, const Request&) {
  Response response;
  response.body = openapi_document();
  return response;
}

}  // namespace

std::vector<Operation> general_operations() {
  return {
      {"GET", "/healthz", Role::none, healthz, "Whether the program runs"},
      {"GET", "/readyz", Role::none, readyz, "Whether the database answers"},
      {"GET", "/api/openapi.json", Role::none, openapi, "This document"},
      {"GET", "/api/status", Role::read, status, "How the control plane does"},
      {"GET", "/api/settings", Role::read, settings_view, "Settings, and where each comes from"},
      {"GET", "/api/settings/{key}", Role::read, settings_view, "One setting or section"},
      {"GET", "/api/audit", Role::admin, audit, "Who did what"},
      {"GET", "/api/audit/verify", Role::admin, verify, "Whether the audit's chain is whole"},
  };
}

}  // namespace envgate::control::api
