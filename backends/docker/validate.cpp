#include "backends/docker/validate.hpp"

#include <algorithm>
#include <set>

#include "backends/docker/binds.hpp"
#include "backends/docker/names.hpp"
#include "backends/login_check.hpp"
#include "backends/words.hpp"

namespace envgate::backends::docker {
namespace {

constexpr std::size_t kMaxWords = 256, kMaxText = 64 << 10, kMaxMounts = 64, kMaxPorts = 256;

class Checks {
 public:
  Checks(const Settings& settings, const Wanted& wanted) : settings_(settings), wanted_(wanted) {}

  std::vector<FieldError> all() {
    require(!wanted_.environment.empty(), "environment", "is missing");
    require(wanted_.generation > 0, "generation", "is missing");
    require(valid_owner(wanted_.owner), "owner", "is not 1 to 64 of [a-z0-9._-], the first of [a-z0-9]");
    require(ImageName::parse(wanted_.image).has_value(), "image",
            "is not an image's name, such as example.org/group/name:tag or name@sha256:digest");
    words();
    limits();
    gpu();
    mounts();
    ports();
    login();
    return std::move(errors_);
  }

 private:
  void require(bool good, std::string path, std::string message) {
    if (!good) errors_.push_back({std::move(path), std::move(message)});
  }
  static std::string item(const char* list, std::size_t i, const char* member = "") {
    return std::string(list) + '[' + std::to_string(i) + ']' + member;
  }
  static bool has_null(const std::string& text) { return text.find('\0') != std::string::npos; }

  void words();
  void limits();
  void gpu();
  void mounts();
  void mount(std::size_t i);
  void ports();
  void login();

  const Settings& settings_;
  const Wanted& wanted_;
  std::vector<FieldError> errors_;
};

bool valid_variable(const std::string& name) {
  return !name.empty() && name.size() <= 256 && (name[0] < '0' || name[0] > '9') &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
         });
}

void Checks::words() {
  const auto& command = wanted_.command;
  const auto& variables = wanted_.variables;
  require(command.size() <= kMaxWords, "command", "has more than 256 words");
  require(variables.size() <= kMaxWords, "variables", "has more than 256 entries");
  std::size_t size = 0;
  for (std::size_t i = 0; i < std::min(command.size(), kMaxWords); ++i) {
    size += command[i].size();
    require(!has_null(command[i]), item("command", i), "has a zero byte");
  }
  std::set<std::string> seen;
  for (std::size_t i = 0; i < std::min(variables.size(), kMaxWords); ++i) {
    const auto& [name, value] = variables[i];
    size += name.size() + value.size();
    require(valid_variable(name), item("variables", i), "has a name that is not of [A-Za-z0-9_]");
    require(seen.insert(name).second, item("variables", i), "is given twice");
    require(!has_null(value), item("variables", i), "has a zero byte");
  }
  require(size <= kMaxText, "command", "is, with the variables, longer than 64 KiB");
}

void Checks::limits() {
  constexpr std::uint64_t kLeastMemory = 6u << 20;  // the engine's own
  require(wanted_.cpu_millis >= 10 && wanted_.cpu_millis <= 1'024'000, "cpu_millis",
          "is not from 0.01 to 1024 cores");
  require(wanted_.memory.count >= kLeastMemory && wanted_.memory.count <= std::uint64_t{1} << 46, "memory",
          "is not from 6MiB to 64TiB");
  require(wanted_.shm.count <= wanted_.memory.count, "shm", "is more than memory");
  require(wanted_.pids == 0 || (wanted_.pids >= 16 && wanted_.pids <= 4'194'304), "pids",
          "is not from 16 to 4194304, or 0 for 4096");
}

void Checks::gpu() {
  if (wanted_.gpu.count == 0) return;
  const std::string& model = wanted_.gpu.model;
  const auto fitting =
      std::count_if(settings_.gpus.begin(), settings_.gpus.end(),
                    [&](const GpuDevice& device) { return model.empty() || device.model == model; });
  require(model.empty() || fitting > 0, "gpu.model", "is none that this node has");
  require(fitting == 0 || wanted_.gpu.count <= static_cast<std::uint64_t>(fitting), "gpu.count",
          "is more than the " + std::to_string(fitting) + " that this node has");
  require(!settings_.gpus.empty(), "gpu.count", "is not 0, and this node has no GPU");
  require(wanted_.gpu.mode != GpuMode::mig, "gpu.mode", "mig is not supported by the docker backend");
}

void Checks::mounts() {
  require(wanted_.mounts.size() <= kMaxMounts, "mounts", "has more than 64 entries");
  std::set<std::string> targets;
  for (std::size_t i = 0; i < std::min(wanted_.mounts.size(), kMaxMounts); ++i) {
    mount(i);
    require(targets.insert(wanted_.mounts[i].target).second, item("mounts", i, ".target"), "is given twice");
  }
}

// "/a/b": absolute, no empty part, no "." and "..", not the root and not the kernel's own.
bool valid_target(const std::string& path) {
  if (path.size() < 2 || path.size() > 1024 || path[0] != '/' || path.back() == '/') return false;
  for (const char* own : {"/proc", "/sys", "/dev"}) {
    const std::string prefix = own;
    if (path == prefix || path.compare(0, prefix.size() + 1, prefix + '/') == 0) return false;
  }
  const std::string closed = path + '/';
  for (const char* part : {"//", "/./", "/../"}) {
    if (closed.find(part) != std::string::npos) return false;
  }
  return true;
}

void Checks::mount(std::size_t i) {
  const Mount& mount = wanted_.mounts[i];
  require(valid_target(mount.target) && one_line(mount.target), item("mounts", i, ".target"),
          "is not an absolute path without . and .., outside /proc, /sys and /dev");
  if (mount.kind == MountKind::volume) {
    require(valid_volume(mount.source), item("mounts", i, ".source"),
            "is not a volume's name: 1 to 64 of [a-z0-9._-], the first of [a-z0-9]");
  } else if (settings_.node_address) {
    require(false, item("mounts", i, ".kind"), "bind is not supported on a remote node: use a volume");
  } else if (const auto path = resolve_bind(mount.source, settings_.bind_roots); !path) {
    require(false, item("mounts", i, ".source"), path.error().message);
  }
}

void Checks::ports() {
  require(wanted_.ports.size() <= kMaxPorts, "ports", "has more than 256 entries");
  std::set<std::uint16_t> ports, published;
  for (std::size_t i = 0; i < std::min(wanted_.ports.size(), kMaxPorts); ++i) {
    const Port& port = wanted_.ports[i];
    require(port.port != 0, item("ports", i, ".port"), "is missing");
    require(ports.insert(port.port).second, item("ports", i, ".port"), "is given twice");
    if (port.node_port == 0) continue;
    require(settings_.node_address.has_value(), item("ports", i, ".node_port"),
            "is for remote nodes: here the gateway reaches the container itself");
    require(published.insert(port.node_port).second, item("ports", i, ".node_port"), "is given twice");
  }
}

void Checks::login() {
  if (wanted_.registry) {
    require(!wanted_.registry->user.empty() && one_line(wanted_.registry->user), "registry.user",
            "is missing or not one line");
  }
  for (FieldError& error : check_login(wanted_)) errors_.push_back(std::move(error));
}

}  // namespace

std::vector<FieldError> validate(const Settings& settings, const Wanted& wanted) {
  return Checks(settings, wanted).all();
}

Result<void> check(const Settings& settings) {
  if (!valid_install(settings.install)) return fail("install: is not 1 to 16 of [a-z0-9]");
  const EngineAddress& engine = settings.engine;
  if (engine.host.empty() && (engine.socket.empty() || engine.socket[0] != '/')) {
    return fail("engine: give the absolute path of its socket, or a host with certificates");
  }
  if (!engine.host.empty() && (engine.ca.empty() || engine.certificate.empty() || engine.key.empty())) {
    return fail("engine: a host needs an authority, a certificate and its key");
  }
  if (engine.host.find_first_of("/@?# ") != std::string::npos)
    return fail("engine: the host is not host:port");
  for (const std::string& root : settings.bind_roots) {
    if (root.size() < 2 || root[0] != '/')
      return fail("bind_roots: '" + root + "' is not an absolute path below /");
  }
  for (const GpuDevice& gpu : settings.gpus) {
    if (gpu.id.empty() || gpu.id.find(',') != std::string::npos)
      return fail("gpus: an id is empty or has a comma");
  }
  return {};
}

}  // namespace envgate::backends::docker
