// Settings over the API: the sixth layer, above the command line. Every change reads the other five again,
// exactly as SIGHUP does, so that what runs is always what the layers say together.
#include <nlohmann/json.hpp>

#include "gateway/admin/context.hpp"
#include "gateway/admin/json_writer.hpp"
#include "gateway/admin/operations.hpp"
#include "gateway/gateway.hpp"

namespace envgate::admin {
namespace {

void write_explained(JsonWriter& json, const settings::Explained& key) {
  json.begin_object().text("key", key.key).text("value", key.value);
  json.text("layer", settings::layer_name(key.origin.layer)).text("place", key.origin.place);
  json.text("default", key.default_value).text("expects", key.expects).text("description", key.description);
  json.text("variable", key.variable)
      .text("apply", key.apply == settings::Apply::live ? "live" : "restart")
      .end_object();
}

void write_changes(JsonWriter& json, std::string_view name, const std::vector<settings::Change>& changes) {
  json.key(name).begin_array();
  for (const settings::Change& change : changes)
    json.begin_object()
        .text("key", change.key)
        .text("before", change.before)
        .text("after", change.after)
        .end_object();
  json.end_array();
}

Result<std::vector<settings::Explained>> explain(const Context& context, const std::string& name) {
  return settings::explain(gateway::gateway_schema(), *context.gateway.snapshot(), name);
}

// Errors come as one text, a line each, and a last line that counts them.
std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const std::string line = text.substr(at, end - at);
    if (!line.empty() && !line.starts_with("envgate: ")) lines.push_back(line);
    at = end + 1;
  }
  return lines;
}

Response answer(const Result<settings::Changes>& changed) {
  if (!changed) {
    const auto errors = lines_of(changed.error().message);
    return problem(422, "the settings are refused; the old ones stay in force", {}, errors);
  }
  JsonWriter json;
  json.begin_object();
  write_changes(json, "live", changed->live);
  write_changes(json, "restart", changed->restart);
  json.end_object();
  return {200, "application/json", std::move(json).finish(), {}};
}

// One key, and not a section of them. Errors: 404 with the nearest key.
std::optional<Response> refuse_unless_key(const Context& context, const std::string& name) {
  const auto found = explain(context, name);
  if (!found) return problem(404, found.error().message, "key");
  if (found->size() == 1 && found->front().key == name) return std::nullopt;
  return problem(400, "key: " + name + " is a section; name one of its keys, such as " + found->front().key,
                 "key");
}

// {"value": ...}: text as it would stand in a variable, or a JSON number, boolean or list.
Wanted<std::string> read_value(const std::string& body) {
  const auto refuse = [](const std::string& why) { return tl::unexpected(problem(400, why, "value")); };
  const auto json = nlohmann::json::parse(body, nullptr, false);
  if (!json.is_object()) return refuse("the body is no JSON object; write {\"value\": ...}");
  const auto value = json.find("value");
  if (value == json.end() || json.size() != 1) return refuse("the body must have the one member \"value\"");
  if (value->is_string()) return value->get<std::string>();
  if (value->is_null() || value->is_object())
    return refuse("value: is neither text, number, boolean nor list");
  return value->dump();  // JSON is YAML's flow style, which is what a layer's text is read as
}

Response apply(Context& context, settings::Texts overrides) {
  const auto changed = context.gateway.reload(&overrides);
  if (changed) context.overrides = std::move(overrides);
  return answer(changed);
}

}  // namespace

Response get_settings(Context& context, const Request& request) {
  if (auto refused = request.refuse_unknown({})) return *refused;
  const auto keys = explain(context, "");
  JsonWriter json;
  json.begin_object().key("settings").begin_array();
  if (keys)
    for (const settings::Explained& key : *keys) write_explained(json, key);
  json.end_array().end_object();
  return {200, "application/json", std::move(json).finish(), {}};
}

// A key gives one object, a section a list of them as /settings does.
Response get_setting(Context& context, const Request& request) {
  if (auto refused = request.refuse_unknown({})) return *refused;
  const auto keys = explain(context, request.name);
  if (!keys) return problem(404, keys.error().message, "key");
  JsonWriter json;
  if (keys->size() == 1 && keys->front().key == request.name) {
    write_explained(json, keys->front());
  } else {
    json.begin_object().key("settings").begin_array();
    for (const settings::Explained& key : *keys) write_explained(json, key);
    json.end_array().end_object();
  }
  return {200, "application/json", std::move(json).finish(), {}};
}

Response put_setting(Context& context, const Request& request) {
  if (auto refused = request.refuse_unknown({})) return *refused;
  if (auto refused = refuse_unless_key(context, request.name)) return *refused;
  auto value = read_value(request.body);
  if (!value) return value.error();
  settings::Texts overrides = context.overrides;
  overrides[request.name] = std::move(*value);
  return apply(context, std::move(overrides));
}

Response delete_setting(Context& context, const Request& request) {
  if (auto refused = request.refuse_unknown({})) return *refused;
  if (auto refused = refuse_unless_key(context, request.name)) return *refused;
  settings::Texts overrides = context.overrides;
  if (overrides.erase(request.name) == 0)
    return problem(404, request.name + " is not set over the API: there is nothing to take back", "key");
  return apply(context, std::move(overrides));
}

Response post_reload(Context& context, const Request& request) {
  if (auto refused = request.refuse_unknown({})) return *refused;
  return answer(context.gateway.reload());
}

}  // namespace envgate::admin
