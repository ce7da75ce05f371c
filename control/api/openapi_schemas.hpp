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

}  // namespace envgate::control::api
