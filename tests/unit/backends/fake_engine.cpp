#include "fake_engine.hpp"

#include <algorithm>

#include "backends/docker/names.hpp"

namespace envgate::backends::docker {
namespace {

Response ok(const json& body, int status = 200) { return {status, to_text(body), ""}; }
Response not_there(const std::string& what) { return {404, to_text({{"message", "No such " + what}}), ""}; }

std::string parameter(const std::string& query, const std::string& name) {
  const std::size_t at = ('&' + query).find('&' + name + '=');
  if (at == std::string::npos) return "";
  const std::string value = query.substr(at + name.size() + 1);
  return value.substr(0, value.find('&'));
}

// The list of a kind, by the labels in the query's filter (percent-encoded JSON: looked for as it is
// written).
json filtered(const std::map<std::string, json>& all, const std::string& query) {
  json list = json::array();
  for (const auto& [name, thing] : all) {
    bool wanted = true;
    for (const auto& [key, value] : at(thing, {"Labels"}).items()) {
      const std::string encoded = percent_encode(key + '=');
      if (query.find(encoded) != std::string::npos &&
          query.find(percent_encode(key + '=' + value.get<std::string>() + '"')) == std::string::npos) {
        wanted = false;
      }
    }
    if (wanted && at(thing, {"Labels"}).size() > 0) list.push_back(thing);
  }
  return list;
}

}  // namespace

json* FakeEngine::by_id(const std::string& id) {
  for (auto& [name, container] : containers) {
    if (name == id || container["Id"] == id) return &container;
  }
  return nullptr;
}

Outcome<Response> FakeEngine::send(const Request& request, const Call&) {
  if (away) return failure(Cause::unreachable, "nobody answers at fake");
  if (request.path == "/_ping") return Response{200, "OK", api};
  if (request.path == "/version") return ok({{"ApiVersion", api}});
  const std::size_t slash = request.path.find('/', 1),
                    question = std::min(request.path.find('?'), request.path.size());
  const std::string path = request.path.substr(slash, question - slash);
  const std::string query = question < request.path.size() ? request.path.substr(question + 1) : "";
  requests.push_back(request.method + ' ' + path);
  bodies.push_back(request.body);
  const auto refused = refuses.find(requests.back());
  Response response = refused != refuses.end() ? refused->second : answer(request, path, query);
  if (request.on_body && response.status == 200) {
    request.on_body(response.body);
    response.body.clear();
  }
  return response;
}

Response FakeEngine::answer(const Request& request, const std::string& path, const std::string& query) {
  const std::string rest = path.substr(path.find('/', 1) + 1);  // after "/containers/"
  const bool remove = request.method == "DELETE";
  const json body = parse_json(request.body).value_or(json());
  if (path == "/images/create") {
    const std::string name = parameter(query, "fromImage") + ':' + parameter(query, "tag");
    for (const std::string& image : pullable) {
      if (percent_encode(image.substr(0, image.rfind(':'))) + image.substr(image.rfind(':')) != name)
        continue;
      images[image] = {{"Id", "sha256:pulled-" + std::to_string(++next_)}};
      return {200, "{\"status\":\"Pull complete\",\"id\":\"aa\",\"progressDetail\":{}}\n", ""};
    }
    return {404, to_text({{"message", "manifest unknown"}}), ""};
  }
  if (path.rfind("/images/", 0) == 0) {
    const auto found = images.find(rest.substr(0, rest.rfind('/')));
    return found != images.end() ? ok(found->second) : not_there("image");
  }
  if (path == "/volumes/create") {
    const auto [at, made] = volumes.emplace(body["Name"], body);
    return ok(at->second, 201);
  }
  if (path == "/volumes") return ok({{"Volumes", filtered(volumes, query)}});
  if (path == "/networks/create") {
    json network = body;
    network["Id"] = "n" + std::to_string(++next_);
    networks[body["Name"]] = network;
    return ok({{"Id", network["Id"]}}, 201);
  }
  if (path == "/networks") return ok(filtered(networks, query));
  if (path.rfind("/networks/", 0) == 0 && !remove) {
    std::vector<const json*> named;
    for (const auto& [key, network] : networks)
      if (at(network, {"Name"}) == rest) named.push_back(&network);
    if (named.size() > 1)  // as Docker 20.10 does
      return {400, to_text({{"message", "2 matches found based on name: network " + rest + " is ambiguous"}}),
              ""};
    return named.empty() ? not_there("network") : ok(*named.front());
  }
  if (path.rfind("/networks/", 0) == 0 || path.rfind("/volumes/", 0) == 0) {
    auto& all = path[1] == 'n' ? networks : volumes;
    for (const auto& [name, thing] : all) {
      if (name != rest && at(thing, {"Id"}) != rest) continue;
      all.erase(name);
      return {204, "", ""};
    }
    return not_there("thing");
  }
  if (path == "/containers/json") {
    json listed = filtered(containers, query);
    for (json& one : listed) one["State"] = json(at(one, {"State", "Status"}));  // a word, in a list
    return ok(listed);
  }
  if (path == "/containers/create") {
    const std::string name = parameter(query, "name"), id = "c" + std::to_string(++next_);
    containers[name] = {{"Id", id},
                        {"Name", "/" + name},
                        {"Labels", body["Labels"]},
                        {"Config", body},
                        {"State", {{"Status", "created"}}}};
    return ok({{"Id", id}}, 201);
  }
  const std::size_t slash = rest.find('/');
  return container_call(request, rest.substr(0, slash),
                        slash == std::string::npos ? "" : rest.substr(slash + 1));
}

Response FakeEngine::container_call(const Request& request, const std::string& id, const std::string& verb) {
  json* found = by_id(id);
  if (found == nullptr) return not_there("container");
  json& container = *found;
  if (verb == "json") return ok(container);
  if (verb == "exec") return ok({{"Id", "e1"}}, 201);
  if (verb == "start") {
    container["State"] = {{"Status", "running"}, {"StartedAt", "2026-02-02T10:30:00Z"}};
    container["NetworkSettings"]["Networks"][std::string(container["Config"]["HostConfig"]["NetworkMode"])] =
        {{"IPAddress", "172.18.0." + std::to_string(++next_)}};
    return {204, "", ""};
  }
  if (verb == "stop") {
    container["State"] = {{"Status", "exited"}, {"ExitCode", 143}};
    return {204, "", ""};
  }
  if (request.method == "DELETE") {
    containers.erase(std::string(container["Name"]).substr(1));
    return {204, "", ""};
  }
  return {404, "page not found", ""};
}

Outcome<Response> FakeEngine::converse(const Request& request, const Secret& input, const Call&) {
  requests.push_back(request.method + ' ' + request.path.substr(request.path.find('/', 1)));
  bodies.push_back(request.body);
  heard = input.reveal();
  const std::string said = "login set\n";
  return Response{101, std::string("\1\0\0\0\0\0\0", 7) + static_cast<char>(said.size()) + said, ""};
}

}  // namespace envgate::backends::docker
