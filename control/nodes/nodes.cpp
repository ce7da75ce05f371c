#include "control/nodes/nodes.hpp"

#include <future>
#include <nlohmann/json.hpp>

#include "backends/docker/curl_transport.hpp"
#include "base/log.hpp"
#include "control/reconcile/fault_transport.hpp"

namespace envgate::control {
namespace {

using backends::docker::DockerBackend;

constexpr char kLocal[] = "local";
constexpr std::chrono::seconds kPatience{5};

std::shared_ptr<DockerBackend> make_backend(const backends::docker::Settings& settings) {
  std::unique_ptr<backends::docker::Transport> transport =
      std::make_unique<backends::docker::CurlTransport>(settings.engine);
  if (fault_points_armed()) transport = std::make_unique<FaultTransport>(std::move(transport));
  return std::make_shared<DockerBackend>(settings, std::move(transport));
}

std::string key_of(const std::string& node) { return Engines::key_of("docker", node); }

bool same_engine(const store::Node& a, const store::Node& b) {
  return a.host == b.host && a.address == b.address && a.ca == b.ca && a.certificate == b.certificate &&
         a.private_key == b.private_key && a.gpus == b.gpus;
}

}  // namespace

std::vector<backends::docker::GpuDevice> gpus_of(const std::string& json) {
  std::vector<backends::docker::GpuDevice> gpus;
  for (const auto& gpu : nlohmann::json::parse(json, nullptr, false))
    gpus.push_back({gpu.value("id", ""), gpu.value("model", "")});
  return gpus;
}

Nodes::Nodes(store::Database& database, const ControlSettings& settings, std::string install,
             Engines& engines)
    : database_(database), settings_(settings), install_(std::move(install)), engines_(engines) {}

void Nodes::add(const std::string& name, const backends::docker::Settings& settings) {
  const auto& docker = settings_.control.docker;
  auto backend = make_backend(settings);
  backends_[name] = backend;
  Engine engine{key_of(name), std::move(backend), docker.concurrency, docker.timeout, settings.grace};
  engine.gpus = static_cast<long long>(settings.gpus.size());
  engines_.add(std::move(engine));
}

Result<void> Nodes::start() {
  const auto& docker = settings_.control.docker;
  if (!docker.socket.empty()) {
    backends::docker::Settings local;
    local.install = install_;
    local.engine.socket = docker.socket;
    local.bind_roots = docker.bind_roots;
    local.grace = std::chrono::ceil<std::chrono::seconds>(docker.grace);
    for (const GpuEntry& gpu : docker.gpus) local.gpus.push_back({gpu.id, gpu.model});
    if (auto good = backends::docker::check(local); !good)
      return fail("control.docker: " + good.error().message);
    add(kLocal, local);
  }
  refresh();
  return {};
}

// A node's directories cannot be looked at from here, so that nothing is bound from them.
backends::docker::Settings Nodes::settings_of(const store::Node& node) const {
  backends::docker::Settings settings;
  settings.install = install_;
  settings.engine = {"", node.host, node.ca, node.certificate, node.private_key};
  if (const auto address = IpAddress::parse(node.address)) settings.node_address = *address;
  settings.grace = std::chrono::ceil<std::chrono::seconds>(settings_.control.docker.grace);
  settings.gpus = gpus_of(node.gpus);
  return settings;
}

void Nodes::refresh() {
  const auto rows = database_.read(
      [](store::Transaction& t) -> Result<std::vector<store::Node>> { return store::list_nodes(t); });
  if (!rows) return log::error("nodes_not_read").error(rows.error()), void();
  const std::lock_guard lock(mutex_);
  std::map<std::string, store::Node> now;
  for (const store::Node& node : *rows) {
    const auto known = known_.find(node.name);
    if (known == known_.end() || !same_engine(known->second, node)) add(node.name, settings_of(node));
    now.emplace(node.name, node);
  }
  for (const auto& [name, node] : known_)
    if (!now.contains(name)) engines_.remove(key_of(name)), backends_.erase(name);
  known_ = std::move(now);
}

Result<backends::docker::EngineFacts> Nodes::ask(const store::Node& node) const {
  const backends::docker::Settings settings = settings_of(node);
  if (auto good = backends::docker::check(settings); !good) return Failure(good.error());
  const auto facts = make_backend(settings)->facts(backends::Call::within(std::chrono::seconds(20)));
  if (!facts) return fail(facts.error().message);
  return *facts;
}

std::optional<std::string> Nodes::local_engine_id() const {
  std::shared_ptr<DockerBackend> local;
  {
    const std::lock_guard lock(mutex_);
    const auto found = backends_.find(kLocal);
    if (found == backends_.end()) return std::nullopt;
    local = found->second;
  }
  const auto facts = local->facts(backends::Call::within(kPatience));
  return facts ? std::optional(facts->id) : std::nullopt;
}

std::map<std::string, backends::docker::EngineFacts> Nodes::facts() const {
  std::map<std::string, std::shared_ptr<DockerBackend>> backends;
  {
    const std::lock_guard lock(mutex_);
    backends = backends_;
  }
  using Answer = std::future<backends::Outcome<backends::docker::EngineFacts>>;
  std::map<std::string, Answer> asked;
  for (const auto& [name, backend] : backends)
    asked[name] = std::async(std::launch::async, [backend = backend] {
      return backend->facts(backends::Call::within(kPatience));
    });
  std::map<std::string, backends::docker::EngineFacts> all;
  for (auto& [name, answer] : asked)
    if (auto facts = answer.get()) all.emplace(name, std::move(*facts));
  return all;
}

}  // namespace envgate::control
