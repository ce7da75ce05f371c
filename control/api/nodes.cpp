// /api/nodes: the Docker engines. "local" is the settings'; the others are rows.
#include "backends/words.hpp"
#include "control/api/handling.hpp"
#include "control/store/audit.hpp"
#include "control/store/now.hpp"

namespace envgate::control::api {
namespace {

using store::Node;

constexpr char kLocal[] = "local";

// A node's place in names and paths: [a-z0-9] and, within, "-" and ".".
bool valid_node_name(const std::string& name) { return backends::valid_owner(name); }

Node local_node(const Context& context) {
  Node node;
  node.name = kLocal;
  json gpus = json::array();
  for (const GpuEntry& gpu : context.control().docker.gpus)
    gpus.push_back({{"id", gpu.id}, {"model", gpu.model}});
  node.gpus = write_json(gpus);
  return node;
}

struct Shown {
  Node node;
  store::Placed placed;
};

using Health = std::map<std::string, Reconciler::EngineHealth>;

json view_of(Context& context, const Health& health, const Shown& shown) {
  const Node& node = shown.node;
  const std::string key = Engines::key_of("docker", node.name);
  const EnginePtr engine = context.engines.find(key);
  const auto known = health.find(key);
  const bool local = node.name == kLocal, answers = known == health.end() || known->second.answers;
  json view = {{"name", node.name},
               {"host", local ? json(nullptr) : json(node.host)},
               {"socket", local ? json(context.control().docker.socket) : json(nullptr)},
               {"address", local ? json(nullptr) : json(node.address)},
               {"ca", node.ca},
               {"certificate", node.certificate},
               {"private_key", node.private_key},
               {"gpus", json::parse(node.gpus)},
               {"state", !node.open ? "maintenance"
                         : answers  ? "available"
                                    : "unreachable"},
               {"reason", answers ? "" : known->second.error},
               {"environments", shown.placed.environments},
               {"cpu", nullptr},
               {"memory", nullptr},
               {"used",
                {{"cpu", static_cast<double>(shown.placed.cpu_millis) / 1000},
                 {"memory", shown.placed.memory_bytes},
                 {"gpu", shown.placed.gpus}}},
               {"created_at", node.created == 0 ? json(nullptr) : json(timestamp_of(node.created))}};
  if (engine && engine->state->cpu_millis > 0) {
    view["cpu"] = static_cast<double>(engine->state->cpu_millis) / 1000;
    view["memory"] = engine->state->memory_bytes.load();
  }
  return view;
}

Answer<std::vector<Shown>> all_nodes(Context& context) {
  return read(context, [&](store::Transaction& t) -> Result<std::vector<Shown>> {
    std::vector<Node> nodes = store::list_nodes(t);
    if (!context.control().docker.socket.empty()) nodes.insert(nodes.begin(), local_node(context));
    const auto placed = store::placed_by_node(t, "docker");
    std::vector<Shown> all;
    for (Node& node : nodes) {
      const auto here = placed.find(node.name);
      all.push_back({std::move(node), here == placed.end() ? store::Placed{} : here->second});
    }
    return all;
  });
}

Response list(Context& context, const Request& request) {
  const auto nodes = all_nodes(context);
  if (!nodes) return problem_response(nodes.error(), request);
  json answer = {{"nodes", json::array()}, {"next", nullptr}};
  const Health health = context.reconciler.health();
  for (const Shown& shown : *nodes) answer["nodes"].push_back(view_of(context, health, shown));
  return json_response(200, answer);
}

Response show_named(Context& context, const Request& request, const std::string& name, int status = 200) {
  const auto nodes = all_nodes(context);
  if (!nodes) return problem_response(nodes.error(), request);
  for (const Shown& shown : *nodes)
    if (shown.node.name == name)
      return json_response(status, view_of(context, context.reconciler.health(), shown));
  return not_found(request, "node " + name);
}

Response show(Context& context, const Request& request) {
  return show_named(context, request, request.names[0]);
}

void read_gpus(Fields& f, const Place& gpus, Node& node) {
  json list = json::array();
  for (std::size_t i = 0, n = f.array(gpus, 64); i < n; ++i) {
    const Place gpu = Fields::element(gpus, i);
    if (!gpu.value->is_object()) f.wrong(gpu, "is not an object");
    if (!f.object(gpu, {"id", "model"})) continue;
    std::string id, model;
    f.missing(Fields::member(gpu, "id"));
    f.text(Fields::member(gpu, "id"), 64, id);
    f.text(Fields::member(gpu, "model"), 64, model);
    list.push_back({{"id", id}, {"model", model}});
  }
  node.gpus = write_json(list);
}

Node read_node(Fields& f, const json& body) {
  Node node;
  const Place root = Fields::root(body);
  if (!body.is_object()) f.wrong(root, "is not an object");
  if (!f.object(root, {"name", "host", "address", "ca", "certificate", "private_key", "gpus"})) return node;
  const auto member = [&](const char* name) { return Fields::member(root, name); };
  for (const auto& [name, most, into] :
       {std::tuple("name", 64, &node.name), std::tuple("host", 256, &node.host),
        std::tuple("address", 64, &node.address), std::tuple("ca", 4096, &node.ca),
        std::tuple("certificate", 4096, &node.certificate),
        std::tuple("private_key", 4096, &node.private_key)}) {
    f.missing(member(name));
    f.text(member(name), static_cast<std::size_t>(most), *into);
  }
  if (!node.name.empty() && !valid_node_name(node.name))
    f.wrong(member("name"), "is not 1 to 64 of [a-z0-9._-], the first of [a-z0-9]");
  if (node.name == kLocal) f.wrong(member("name"), "is the name of this machine's own engine");
  if (!node.address.empty() && !IpAddress::parse(node.address))
    f.wrong(member("address"), "is no IP address");
  for (const auto& [name, path] : {std::pair("ca", &node.ca), std::pair("certificate", &node.certificate),
                                   std::pair("private_key", &node.private_key)})
    if (!path->empty() && path->front() != '/')
      f.wrong(member(name), "is not an absolute path of a file on control's machine");
  read_gpus(f, member("gpus"), node);
  return node;
}

// The engine is asked who it is, so that one engine is not two nodes, each of which would sweep up what the
// other has.
Response add(Context& context, const Request& request) {
  const auto body = body_of(request);
  if (!body) return problem_response(body.error(), request);
  Fields fields;
  Node node = read_node(fields, *body);
  if (!fields.good())
    return problem_response({422, "invalid", "the request has wrong fields", std::move(fields.errors)},
                            request);
  const auto facts = context.nodes.ask(node);
  if (!facts)
    return problem_response(
        {409, "unreachable", "node " + node.name + " was not added: " + facts.error().message, {}}, request);
  if (facts->id == context.nodes.local_engine_id())
    return problem_response(
        {409, "conflict", "the engine at " + node.host + " is this machine's own, node local already", {}},
        request);
  node.engine_id = facts->id;
  node.created = store::now_ms();
  const auto made = write(context, [&](store::Transaction& t) -> Result<std::string> {
    if (auto inserted = store::insert_node(t, node); !inserted) return Failure(inserted.error());
    store::append_audit(t, {request.caller.who, "node_add", node.name, "",
                            write_json({{"host", node.host}, {"address", node.address}}), "done"});
    return node.name;
  });
  if (!made) return problem_response(made.error(), request);
  context.nodes.refresh();
  context.reconciler.resync_soon();
  return show_named(context, request, node.name, 201);
}

// Errors: not there, or the settings' own.
Result<Node> find_remote(store::Transaction& t, const std::string& name) {
  if (name == kLocal) return fail("node local is the settings': see control.docker.socket", store::kConflict);
  auto node = store::find_node(t, name);
  if (!node) return fail("there is no node " + name, store::kNotFound);
  return std::move(*node);
}

Response remove(Context& context, const Request& request) {
  const std::string& name = request.names[0];
  const auto gone = write(context, [&](store::Transaction& t) -> Result<Node> {
    auto node = find_remote(t, name);
    if (!node) return node;
    const auto placed = store::placed_by_node(t, "docker");
    if (const auto here = placed.find(name); here != placed.end())
      return fail("node " + name + " has " + std::to_string(here->second.environments) +
                      " environments: delete them first (envctl env ls --node " + name + ")",
                  store::kConflict);
    store::remove_node(t, name);
    store::append_audit(t, {request.caller.who, "node_remove", name, node->host, "", "done"});
    return node;
  });
  if (!gone) return problem_response(gone.error(), request);
  context.nodes.refresh();
  return json_response(200, {{"name", name}});
}

Response open(Context& context, const Request& request, bool open) {
  const std::string& name = request.names[0];
  const auto done = write(context, [&](store::Transaction& t) -> Result<std::string> {
    const auto node = find_remote(t, name);
    if (!node) return Failure(node.error());
    store::open_node(t, name, open);
    store::append_audit(t, {request.caller.who, "node_state", name, node->open ? "available" : "maintenance",
                            open ? "available" : "maintenance", "done"});
    return name;
  });
  return done ? show_named(context, request, name) : problem_response(done.error(), request);
}

Response maintenance(Context& context, const Request& request) { return open(context, request, false); }
Response available(Context& context, const Request& request) { return open(context, request, true); }

}  // namespace

std::vector<Operation> node_operations() {
  return {
      {"GET", "/api/nodes", Role::read, list, "List the Docker engines"},
      {"POST", "/api/nodes", Role::admin, add, "Add a remote Docker engine"},
      {"GET", "/api/nodes/{name}", Role::read, show, "Show a node"},
      {"DELETE", "/api/nodes/{name}", Role::admin, remove, "Remove a node that has no environments"},
      {"POST", "/api/nodes/{name}/maintenance", Role::admin, maintenance,
       "Place no new environments on a node"},
      {"POST", "/api/nodes/{name}/available", Role::admin, available, "Place environments on it again"},
  };
}

}  // namespace envgate::control::api
