#include "control/api/openapi.hpp"

#include <nlohmann/json.hpp>

#include "base/command_line.hpp"
#include "control/api/context.hpp"
#include "control/api/openapi_schemas.hpp"
#include "control/lifecycle/fields.hpp"

namespace envgate::control::api {
namespace {

using nlohmann::json;

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  return out;
}

// "get_environments_id_access"
std::string operation_id(const Operation& operation) {
  std::string id = lower(operation.method);
  for (const char c : operation.path) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    if (letter)
      id += c;
    else if (id.back() != '_')
      id += '_';
  }
  while (id.back() == '_') id.pop_back();
  return id;
}

json parameters_of(const Operation& operation) {
  json parameters = json::array();
  std::string_view path = operation.path;
  for (auto open = path.find('{'); open != std::string_view::npos; open = path.find('{')) {
    const auto close = path.find('}');
    parameters.push_back({{"name", path.substr(open + 1, close - open - 1)},
                          {"in", "path"},
                          {"required", true},
                          {"schema", {{"type", "string"}}}});
    path.remove_prefix(close + 1);
  }
  return parameters;
}

json described(const Operation& operation) {
  const OperationSchemas schemas = schemas_of(operation);
  json parameters = parameters_of(operation);
  for (const json& parameter : schemas.parameters) parameters.push_back(parameter);
  json described = {{"operationId", operation_id(operation)},
                    {"summary", operation.summary},
                    {"x-role", to_string(operation.role)},
                    {"responses", json::object()}};
  if (!parameters.empty()) described["parameters"] = std::move(parameters);
  for (const std::string& type : schemas.body.is_null() ? std::vector<std::string>() : schemas.body_types)
    described["requestBody"]["content"][type]["schema"] = schemas.body;
  json& answers = described["responses"];
  answers[std::to_string(schemas.status)] = {
      {"description", operation.summary},
      {"content", {{schemas.content_type, {{"schema", schemas.answer}}}}}};
  for (const auto& [status, schema] : schemas.others)
    answers[std::to_string(status)] = {{"description", operation.summary},
                                       {"content", {{schemas.content_type, {{"schema", schema}}}}}};
  answers["default"] = {
      {"description", "A refusal (RFC 9457)"},
      {"content", {{"application/problem+json", {{"schema", {{"$ref", "#/components/schemas/Problem"}}}}}}}};
  return described;
}

}  // namespace

const std::string& openapi_document() {
  static const std::string document = [] {
    json paths = json::object();
    for (const Operation& operation : all_operations())
      paths[std::string(operation.path)][lower(operation.method)] = described(operation);
    const json whole = {{"openapi", "3.1.0"},
                        {"info", {{"title", "envgate control plane"}, {"version", version()}}},
                        {"paths", std::move(paths)},
                        {"components",
                         {{"schemas", component_schemas()},
                          {"securitySchemes", {{"token", {{"type", "http"}, {"scheme", "bearer"}}}}}}}};
    return write_json(whole) + "\n";
  }();
  return document;
}

}  // namespace envgate::control::api
