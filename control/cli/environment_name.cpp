#include "control/cli/environment_name.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "control/cli/table.hpp"

namespace envgate::cli {
namespace {

// As control makes them (control/secrets): nothing else is worth asking for by id.
bool is_id(const std::string& text) {
  return text.size() == 16 && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
         });
}

}  // namespace

Asked<Json> find_environment(const ControlClient& client, const std::string& id_or_name) {
  if (is_id(id_or_name)) {
    auto found = client.get("/api/environments/" + id_or_name);
    if (found || found.error().code != kNotFound) return found;
  }
  const auto list = client.list("/api/environments?name=" + encode_segment(id_or_name), "environments");
  if (!list) return list;
  return only_one(list->at("environments"), id_or_name);
}

Asked<std::string> environment_id(const ControlClient& client, const std::string& id_or_name) {
  return find_environment(client, id_or_name).map([](const Json& environment) {
    return environment.at("id").get<std::string>();
  });
}

Asked<Json> only_one(const Json& environments, const std::string& name) {
  const std::string shown = "'" + printable(name) + "'";
  std::vector<Json> live;
  for (const Json& environment : environments)
    if (environment.at("name") == name && environment.at("state") != "deleted") live.push_back(environment);
  if (live.size() == 1) return live[0];
  if (live.empty())
    return refuse("no environment has the id or the name " + shown + "; `envctl env ls` lists them",
                  kNotFound);
  std::string message =
      std::to_string(live.size()) + " environments are called " + shown + "; say which by its id:\n";
  for (const Json& environment : live) {
    std::string line;
    for (const char* const member : {"id", "owner", "state"})
      line += "  " + environment.value(member, std::string("-"));
    message += printable(line) + "\n";
  }
  return refuse(std::move(message), kConflict);
}

}  // namespace envgate::cli
