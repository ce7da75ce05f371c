#include "routing/route_file.hpp"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <unordered_map>

#include "routing/json_fields.hpp"
#include "routing/snapshot.hpp"

namespace envgate::routing {
namespace {

using nlohmann::json;

constexpr int kMaxDepth = 16;
constexpr std::array<std::string_view, 7> kNumbers = {
    "generation", "listen_port", "target_port", "port", "connections", "requests_per_second", "bandwidth"};

std::string at(const std::string& name, const YAML::Mark& mark) {
  return mark.is_null() ? name + ": " : name + ':' + std::to_string(mark.line + 1) + ": ";
}

// YAML does not say whether `12345678` is an id or a number, so the key does; what is quoted is a string.
json scalar(const YAML::Node& node, std::string_view key) {
  const std::string& text = node.Scalar();
  if (node.Tag() == "!" || std::find(kNumbers.begin(), kNumbers.end(), key) == kNumbers.end()) return text;
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return text;
  return number;
}

json to_json_tree(const YAML::Node& node, std::string_view key, int depth) {
  if (depth > kMaxDepth) throw YAML::Exception(node.Mark(), "nested too deeply");
  switch (node.Type()) {
    case YAML::NodeType::Scalar:
      return scalar(node, key);
    case YAML::NodeType::Sequence: {
      json list = json::array();
      for (const auto& element : node) list.push_back(to_json_tree(element, key, depth + 1));
      return list;
    }
    case YAML::NodeType::Map: {
      json object = json::object();
      for (const auto& entry : node) {
        const std::string name = entry.first.Scalar();
        if (object.contains(name))
          throw YAML::Exception(entry.first.Mark(), "key \"" + name + "\" is there twice");
        object[name] = to_json_tree(entry.second, name, depth + 1);
      }
      return object;
    }
    default:
      return nullptr;
  }
}

// The line of the place that an error names ("http[0].port: ..."), or of the nearest thing around it.
YAML::Mark mark_of(const YAML::Node& route, std::string_view error) {
  std::string_view path = error.substr(0, error.find(": "));
  YAML::Node node = route;
  while (!path.empty()) {
    YAML::Node next(YAML::NodeType::Undefined);
    if (path.front() == '[') {
      const std::size_t close = path.find(']');
      if (close == std::string_view::npos || !node.IsSequence()) break;
      next.reset(node[static_cast<std::size_t>(std::atol(path.data() + 1))]);
      path.remove_prefix(close + 1);
    } else {
      const std::string_view key = path.substr(0, path.find_first_of(".["));
      if (!node.IsMap()) break;
      next.reset(node[std::string(key)]);
      path.remove_prefix(key.size());
    }
    if (!path.empty() && path.front() == '.') path.remove_prefix(1);
    if (!next.IsDefined()) break;
    node.reset(next);
  }
  return node.Mark();
}

Result<std::vector<RouteSpec>> read_routes(const std::string& name, const YAML::Node& list) {
  std::vector<RouteSpec> routes;
  std::unordered_map<EnvId, int> lines;
  for (const auto& node : list) {
    auto route = parse_route_tree({}, to_json_tree(node, "", 0), UnknownKeys::refuse);
    if (!route) return fail(at(name, mark_of(node, route.error().message)) + route.error().message);
    const auto [first, fresh] = lines.emplace(route->env, node.Mark().line + 1);
    if (!fresh) {
      return fail(at(name, node.Mark()) + "environment \"" + route->env.str() +
                  "\" is there already, at line " + std::to_string(first->second));
    }
    routes.push_back(std::move(*route));
  }
  return routes;
}

}  // namespace

Result<std::vector<RouteSpec>> parse_route_file(const std::string& name, std::string_view text) {
  if (text.starts_with(kSnapshotHeader)) {
    if (auto snapshot = parse_snapshot(text))
      return std::move(snapshot->routes);  // else: edited by hand, so YAML
  }
  try {
    const YAML::Node root = YAML::Load(std::string(text));
    if (!root.IsMap()) return fail(name + ": is not a YAML mapping with a list `routes:`");
    for (const auto& entry : root) {
      const std::string key = entry.first.Scalar();
      if (key == "routes" || key == "saved_at" || key == "server") continue;
      return fail(at(name, entry.first.Mark()) + "key \"" + key +
                  "\" is not known here; did you mean `routes`?");
    }
    const YAML::Node list = root["routes"];
    if (!list) return fail(name + ": has no list `routes:` (write `routes: []` for none)");
    if (!list.IsSequence() && !list.IsNull()) return fail(at(name, list.Mark()) + "routes: is not a list");
    return read_routes(name, list);
  } catch (const YAML::Exception& error) {
    return fail(at(name, error.mark) + error.msg);
  }
}

}  // namespace envgate::routing
