#include "control/api/openapi_schemas.hpp"

#include "control/api/openapi_parts.hpp"

namespace envgate::control::api {

using namespace schema;

namespace {

json query(const char* name, json schema, const char* description) {
  return {{"name", name},
          {"in", "query"},
          {"required", false},
          {"schema", std::move(schema)},
          {"description", description}};
}
json header(const char* name, const char* description) {
  return {{"name", name},
          {"in", "header"},
          {"required", false},
          {"schema", text()},
          {"description", description}};
}

json spec_schema() {
  return open_object(
      {{"image", text()},
       {"command", list(text())},
       {"env", {{"type", "object"}, {"additionalProperties", text()}}},
       {"cpu", number()},
       {"memory", size()},
       {"shm", size()},
       {"storage", size()},
       {"pids", whole()},
       {"gpu", open_object(
                   {{"count", whole()}, {"model", text()}, {"mode", words({"exclusive", "shared", "mig"})}})},
       {"mounts", list(open_object({{"type", words({"volume", "bind"})},
                                    {"source", text()},
                                    {"target", text()},
                                    {"read_only", flag()}}))},
       {"ports", list(object({{"port", port()},
                              {"access", words({"public", "private", "tcp"})},
                              {"scheme", words({"http", "https"})},
                              {"service", text()}},
                             {"access", "scheme", "service"}))},
       {"ssh",
        open_object({{"mode", words({"passthrough", "audited"})}, {"user", text()}, {"keys", list(text())}})},
       {"pull", words({"always", "missing", "never"})},
       {"registry", open_object({{"user", text()}, {"password", text()}})},
       {"node", text()},
       {"machine", text()},
       {"selector", open_object({{"region", text()},
                                 {"gpu_model", text()},
                                 {"gpus", whole()},
                                 {"cpu", whole()},
                                 {"memory", size()},
                                 {"disk", size()}})}});
}

json amounts() {
  return {{"cpu", number()},
          {"memory", size()},
          {"gpu", whole()},
          {"storage", size()},
          {"environments", whole()}};
}

}  // namespace

json component_schemas() {
  json all;
  all["Problem"] = object({{"type", text()},
                           {"title", text()},
                           {"status", whole()},
                           {"code", text()},
                           {"detail", text()},
                           {"request_id", text()},
                           {"errors", list(object({{"pointer", text()}, {"message", text()}}))}},
                          {"errors"});
  all["Spec"] = spec_schema();
  all["Policy"] = open_object({{"volumes", words({"keep", "remove"})},
                               {"allow_from", list(text())},
                               {"start", words({"manual", "on_demand"})},
                               {"shared_with", list(text())},
                               {"ssh", ref("SshPolicy")}});
  add_owner_schemas(all);
  all["NewEnvironment"] = object({{"name", text()},
                                  {"owner", text()},
                                  {"backend", words({"docker", "physical"})},
                                  {"spec", ref("Spec")},
                                  {"policy", ref("Policy")}},
                                 {"backend", "policy"});
  all["Condition"] = object({{"type", text()},
                             {"status", words({"true", "false", "unknown"})},
                             {"reason", text()},
                             {"message", text()},
                             {"since", time_text()}});
  all["Environment"] = object({{"id", text()},
                               {"name", text()},
                               {"owner", text()},
                               {"backend", words({"docker", "physical"})},
                               {"type", words({"container", "physical"})},
                               {"node", text()},
                               {"generation", whole()},
                               {"version", whole()},
                               {"desired", words({"running", "stopped", "deleted"})},
                               {"state", words({"creating", "starting", "running", "stopping", "stopped",
                                                "failed", "deleting", "deleted"})},
                               {"conditions", list(ref("Condition"))},
                               {"spec", ref("Spec")},
                               {"policy", ref("Policy")},
                               {"ssh_host", text()},
                               {"ssh_port", whole()},
                               {"target_ip", nullable(text())},
                               {"image_digest", nullable(text())},
                               {"created_at", time_text()},
                               {"updated_at", time_text()},
                               {"started_at", nullable(time_text())},
                               {"deleted_at", nullable(time_text())}});
  all["Step"] = object({{"name", text()},
                        {"state", words({"running", "done", "failed"})},
                        {"started_at", time_text()},
                        {"finished_at", nullable(time_text())},
                        {"message", text()}});
  all["Operation"] = object(
      {{"id", text()},
       {"environment", text()},
       {"kind", text()},
       {"state", words({"pending", "running", "done", "failed"})},
       {"progress", object({{"step", text()}, {"detail", text()}, {"done", whole()}, {"total", whole()}})},
       {"steps", list(ref("Step"))},
       {"error", nullable(object({{"code", text()}, {"message", text()}}))},
       {"created_at", time_text()},
       {"updated_at", time_text()}});
  all["Accepted"] = object({{"operation", ref("Operation")}, {"environment", ref("Environment")}});
  all["Access"] = object({{"environment_id", text()},
                          {"type", text()},
                          {"ssh_host", text()},
                          {"ssh_port", port()},
                          {"ssh_username", text()},
                          {"ssh_password", text()},
                          {"target_ip", nullable(text())},
                          {"jupyter_url", nullable(text())},
                          {"created_at", time_text()},
                          {"urls", list(object({{"port", port()}, {"access", text()}, {"url", text()}}))},
                          {"commands", {{"type", "object"}, {"additionalProperties", text()}}}});
  json quota = amounts();
  quota["owner"] = text();
  quota["used"] = object(amounts());
  all["Quota"] = object(std::move(quota));
  all["NewQuota"] = object(amounts());
  const json gpus = list(object({{"id", text()}, {"model", text()}}, {"model"}));
  all["NewNode"] = object({{"name", text()},
                           {"host", text()},
                           {"address", text()},
                           {"ca", text()},
                           {"certificate", text()},
                           {"private_key", text()},
                           {"gpus", gpus}},
                          {"gpus"});
  all["Node"] = object({{"name", text()},
                        {"host", nullable(text())},
                        {"socket", nullable(text())},
                        {"address", nullable(text())},
                        {"ca", text()},
                        {"certificate", text()},
                        {"private_key", text()},
                        {"gpus", gpus},
                        {"state", words({"available", "maintenance", "unreachable"})},
                        {"reason", text()},
                        {"environments", whole()},
                        {"cpu", nullable(number())},
                        {"memory", nullable(whole())},
                        {"used", object({{"cpu", number()}, {"memory", whole()}, {"gpu", whole()}})},
                        {"created_at", nullable(time_text())}});
  all["NewMachine"] = object({{"name", text()},
                              {"address", text()},
                              {"admin_key", text()},
                              {"ssh_port", port()},
                              {"user", text()},
                              {"host_keys", list(text())},
                              {"region", text()},
                              {"gpu_model", text()},
                              {"gpus", whole()},
                              {"cpu", whole()},
                              {"memory", size()},
                              {"disk", size()},
                              {"price_per_month", text()},
                              {"labels", {{"type", "object"}, {"additionalProperties", text()}}}},
                             {"ssh_port", "user", "host_keys", "region", "gpu_model", "gpus", "cpu", "memory",
                              "disk", "price_per_month", "labels"});
  all["Machine"] = object({{"name", text()},
                           {"region", text()},
                           {"gpu_model", text()},
                           {"gpus", whole()},
                           {"cpu", whole()},
                           {"memory", whole()},
                           {"disk", whole()},
                           {"price_per_month", text()},
                           {"address", text()},
                           {"ssh_port", port()},
                           {"user", text()},
                           {"admin_key", text()},
                           {"host_keys", list(text())},
                           {"labels", {{"type", "object"}, {"additionalProperties", text()}}},
                           {"state", words({"available", "allocated", "draining", "cleaning", "verifying",
                                            "quarantined", "maintenance", "unreachable"})},
                           {"reachable", flag()},
                           {"reason", text()},
                           {"environment", nullable(text())},
                           {"version", whole()},
                           {"created_at", time_text()},
                           {"updated_at", time_text()},
                           {"checked_at", nullable(time_text())},
                           {"facts", {{"type", "object"}}}},
                          {"facts"});
  all["NewToken"] = object({{"name", text()},
                            {"role", words({"read", "gateway", "operate", "admin"})},
                            {"expires_at", time_text()}},
                           {"role", "expires_at"});
  all["Token"] = object({{"id", text()},
                         {"name", text()},
                         {"role", words({"read", "gateway", "operate", "admin"})},
                         {"created_at", time_text()},
                         {"expires_at", nullable(time_text())},
                         {"used_at", nullable(time_text())},
                         {"token", text()}},
                        {"token"});
  all["AuditLine"] = object({{"seq", whole()},
                             {"at", time_text()},
                             {"who", text()},
                             {"action", text()},
                             {"object", text()},
                             {"before", text()},
                             {"after", text()},
                             {"result", text()},
                             {"hash", text()}});
  all["Check"] = object(
      {{"name", text()}, {"status", words({"ok", "warn", "fail"})}, {"message", text()}, {"remedy", text()}});
  all["Setting"] = object({{"key", text()},
                           {"value", text()},
                           {"layer", text()},
                           {"place", text()},
                           {"default", text()},
                           {"expects", text()},
                           {"description", text()},
                           {"variable", text()}});
  all["Engine"] = object({{"engine", text()},
                          {"answers", flag()},
                          {"error", text()},
                          {"environments", whole()},
                          {"orphans", whole()}});
  return all;
}

OperationSchemas schemas_of(const Operation& operation) {
  const std::string_view path = operation.path, method = operation.method;
  OperationSchemas s;
  const json next = nullable(text());
  const auto page = [&] {
    s.parameters.push_back(
        query("limit", {{"type", "integer"}, {"minimum", 1}, {"maximum", 1000}}, "at most so many"));
    s.parameters.push_back(query("cursor", text(), "the `next` of the page before"));
    s.parameters.push_back(query("sort", text(), "a field; - before it: descending"));
  };
  const auto changes = [&] {
    s.status = 202;
    s.answer = ref("Accepted");
    for (const auto& [name, what] :
         {std::pair("Prefer", "wait=N: until the operation has ended, N seconds at most"),
          std::pair("Idempotency-Key", "a repeated request is answered as the first"),
          std::pair("If-Match", "the environment's ETag")})
      s.parameters.push_back(header(name, what));
  };
  if (path.starts_with("/api/environments")) {
    const bool one = path == "/api/environments/{id}";
    if (path == "/api/environments" && method == "GET") {
      page();
      for (const char* filter : {"owner", "state", "backend", "name", "node", "deleted"})
        s.parameters.push_back(query(filter, text(), "only those"));
      s.answer = object({{"environments", list(ref("Environment"))}, {"next", next}});
    } else if (path == "/api/environments") {
      changes();
      s.parameters.push_back(query("dry_run", words({"1"}), "only check"));
      s.others[200] = object({{"valid", flag()}, {"environment", ref("Environment")}});
      s.body = ref("NewEnvironment");
    } else if (one && method == "GET") {
      s.answer = ref("Environment");
    } else if (path.ends_with("/access")) {
      s.answer = ref("Access");
    } else if (path.ends_with("/tickets")) {
      s.status = 201;
      s.body = object({{"port", port()}});
      s.answer = object({{"url", text()}, {"expires_at", time_text()}});
    } else {
      changes();
      if (method == "PATCH")
        s.body = open_object({{"name", text()}, {"spec", ref("Spec")}, {"policy", ref("Policy")}});
      if (path.ends_with("/rebuild")) s.body = open_object({{"image", text()}});
      if (method == "DELETE")
        s.parameters.push_back(query("volumes", words({"keep", "remove"}), "named volumes"));
    }
  } else if (path == "/api/operations") {
    page();
    s.answer = object({{"operations", list(ref("Operation"))}, {"next", next}});
  } else if (path == "/api/operations/{id}") {
    s.parameters.push_back(header("Prefer", "wait=N: until it has ended"));
    s.answer = ref("Operation");
  } else if (path == "/api/quotas") {
    s.answer = object({{"quotas", list(ref("Quota"))}, {"next", next}});
  } else if (path == "/api/quotas/{owner}") {
    if (method != "DELETE") s.answer = ref("Quota");
    if (method == "PUT") s.body = ref("NewQuota");
  } else if (path.starts_with("/api/owners")) {
    describe_owner(path, method, s);
  } else if (path.starts_with("/api/gateway")) {
    describe_gateway(path, s);
  } else if (path == "/api/machines/import") {
    s.status = 201;
    s.body = list(ref("NewMachine"));
    s.body_types = {"text/csv", "application/yaml"};
    s.answer = object({{"machines", list(ref("Machine"))}});
  } else if (path.starts_with("/api/machines")) {
    s.answer = ref("Machine");
    if (path == "/api/machines" && method == "GET") {
      for (const char* filter : {"state", "region", "gpu_model"})
        s.parameters.push_back(query(filter, text(), "only those"));
      s.answer = object({{"machines", list(ref("Machine"))}, {"next", next}});
    } else if (path == "/api/machines") {
      s.status = 201;
      s.body = ref("NewMachine");
    }
  } else if (path.starts_with("/api/nodes")) {
    s.answer = ref("Node");
    if (path == "/api/nodes" && method == "GET")
      s.answer = object({{"nodes", list(ref("Node"))}, {"next", next}});
    if (method == "DELETE") s.answer = object({{"name", text()}});
    if (path == "/api/nodes" && method == "POST") s.status = 201, s.body = ref("NewNode");
  } else if (path.starts_with("/api/tokens")) {
    s.answer = ref("Token");
    if (method == "GET") s.answer = object({{"tokens", list(ref("Token"))}, {"next", next}});
    if (method == "POST") s.status = 201, s.body = ref("NewToken");
  } else if (path == "/api/audit") {
    page();
    for (const char* filter : {"who", "action", "object"})
      s.parameters.push_back(query(filter, text(), "only those"));
    s.answer = object({{"audit", list(ref("AuditLine"))}, {"next", next}});
  } else if (path == "/api/audit/verify") {
    s.answer = object({{"whole", flag()}, {"message", text()}, {"lines", whole()}, {"newest_hash", text()}});
  } else if (path == "/api/doctor") {
    s.answer = object({{"time", time_text()}, {"checks", list(ref("Check"))}});
  } else if (path.starts_with("/api/settings")) {
    s.answer = object({{"settings", list(ref("Setting"))}});
  } else if (path == "/api/status") {
    s.answer = object({{"program", text()},
                       {"version", text()},
                       {"install", text()},
                       {"time", time_text()},
                       {"uptime_seconds", whole()},
                       {"role", text()},
                       {"route_generation", whole()},
                       {"passes", object({{"waiting", whole()}, {"working", whole()}})},
                       {"engines", list(ref("Engine"))},
                       {"redis", nullable({{"type", "object"}})}});
  } else if (path == "/readyz") {
    s.answer = object({{"status", text()}, {"engines", list(ref("Engine"))}});
  } else if (path == "/healthz") {
    s.answer = object({{"status", text()}});
  } else if (path == "/api/routes") {
    s.parameters.push_back(query("watch", words({"1"}), "the feed: lines of JSON, without end"));
    s.answer = object({{"install", text()}, {"generation", whole()}, {"routes", list({{"type", "object"}})}});
  } else if (path == "/api/events") {
    s.content_type = "text/event-stream";
    s.answer = text();
  } else if (path == "/metrics") {
    s.content_type = "text/plain";
    s.answer = text();
  }
  return s;
}

}  // namespace envgate::control::api
