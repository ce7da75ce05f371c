// What OpenAPI says of bodies, answers and parameters. For openapi.cpp.
#pragma once

#include <map>
#include <nlohmann/json.hpp>

#include "control/api/context.hpp"

namespace envgate::control::api {

struct OperationSchemas {
  nlohmann::json parameters = nlohmann::json::array();
  nlohmann::json body;  // null: none
  std::vector<std::string> body_types = {"application/json"};
  nlohmann::json answer = nlohmann::json::object();
  int status = 200;
  std::map<int, nlohmann::json> others = {};  // answers by another status
  std::string content_type = "application/json";
};

OperationSchemas schemas_of(const Operation& operation);
nlohmann::json component_schemas();

// openapi_owners.cpp: below /api/owners, and below /api/gateway.
void add_owner_schemas(nlohmann::json& components);
void describe_owner(std::string_view path, std::string_view method, OperationSchemas& schemas);
void describe_gateway(std::string_view path, OperationSchemas& schemas);

}  // namespace envgate::control::api
