// What schemas are put together from (OpenAPI 3.1, JSON Schema 2020-12). For the openapi files.
#pragma once

#include <algorithm>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace envgate::control::api::schema {

using nlohmann::json;

inline json ref(const std::string& name) { return {{"$ref", "#/components/schemas/" + name}}; }
inline json text() { return {{"type", "string"}}; }
inline json time_text() { return {{"type", "string"}, {"format", "date-time"}}; }
inline json nullable(json schema) {
  return {{"anyOf", json::array({std::move(schema), {{"type", "null"}}})}};
}
inline json whole() { return {{"type", "integer"}, {"minimum", 0}}; }
inline json number() { return {{"type", "number"}, {"minimum", 0}}; }
inline json flag() { return {{"type", "boolean"}}; }
inline json words(std::initializer_list<const char*> all) { return {{"type", "string"}, {"enum", all}}; }
inline json list(json items) { return {{"type", "array"}, {"items", std::move(items)}}; }
inline json port() { return {{"type", "integer"}, {"minimum", 1}, {"maximum", 65535}}; }
inline json size() {
  return {
      {"oneOf", json::array({whole(), {{"type", "string"}, {"pattern", "^[0-9]+([kMGT]?B|[KMGT]iB)?$"}}})}};
}

// All members are required, but for those in `optional`.
inline json object(json properties, std::vector<std::string> optional = {}) {
  json required = json::array();
  for (const auto& [name, schema] : properties.items())
    if (std::find(optional.begin(), optional.end(), name) == optional.end()) required.push_back(name);
  return {{"type", "object"}, {"properties", std::move(properties)}, {"required", std::move(required)}};
}

inline json open_object(json properties) {
  return {{"type", "object"}, {"properties", std::move(properties)}};
}

}  // namespace envgate::control::api::schema
