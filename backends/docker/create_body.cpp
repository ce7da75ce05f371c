#include "backends/docker/create_body.hpp"

#include "backends/docker/names.hpp"

namespace envgate::backends::docker {
namespace {

// What sshd and a package manager need inside, and nothing that reaches out: the engine's default set less
// MKNOD, NET_RAW, SETFCAP and SETPCAP.
const char* const kCapabilities[] = {"AUDIT_WRITE", "CHOWN",     "DAC_OVERRIDE",     "FOWNER",
                                     "FSETID",      "KILL",      "NET_BIND_SERVICE", "SETGID",
                                     "SETUID",      "SYS_CHROOT"};
constexpr std::uint64_t kDefaultShm = 64u << 20;
constexpr std::uint32_t kDefaultPids = 4096;

std::string join(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : ",") + word;
  return out;
}

json mounts_of(const Settings& settings, const Wanted& wanted, const Resolved& resolved) {
  json mounts = json::array();
  for (std::size_t i = 0; i < wanted.mounts.size(); ++i) {
    const Mount& mount = wanted.mounts[i];
    json entry = {{"Target", mount.target}, {"ReadOnly", mount.read_only}};
    if (mount.kind == MountKind::volume) {
      entry["Type"] = "volume";
      entry["Source"] = volume_name(settings.install, wanted.environment, mount.source);
    } else {
      entry["Type"] = "bind";
      entry["Source"] = resolved.binds.at(i);
      entry["BindOptions"] = {{"Propagation", "rprivate"}};
    }
    mounts.push_back(std::move(entry));
  }
  return mounts;
}

json host_config(const Settings& settings, const Wanted& wanted, const Resolved& resolved) {
  json host = {
      {"NanoCpus", std::uint64_t{wanted.cpu_millis} * 1'000'000},
      {"Memory", wanted.memory.count},
      {"MemorySwap", wanted.memory.count},  // the same: no swap beyond
      {"ShmSize", wanted.shm.count != 0 ? wanted.shm.count : kDefaultShm},
      {"PidsLimit", wanted.pids != 0 ? wanted.pids : kDefaultPids},
      {"Privileged", false},
      {"CapDrop", json::array({"ALL"})},
      {"CapAdd", kCapabilities},
      {"SecurityOpt",
       json::array({"no-new-privileges"})},  // seccomp is not named: the engine's default profile
      {"RestartPolicy", {{"Name", "no"}}},   // the reconciler restarts
      {"NetworkMode", network_name(settings.install, wanted.owner)},
      {"PublishAllPorts", false},
      {"LogConfig", {{"Type", "json-file"}, {"Config", {{"max-size", "10m"}, {"max-file", "2"}}}}},
      {"Mounts", mounts_of(settings, wanted, resolved)},
  };
  if (!resolved.gpus.empty()) {
    host["DeviceRequests"] = json::array({{{"Driver", settings.gpu_driver},
                                           {"DeviceIDs", resolved.gpus},
                                           {"Capabilities", json::array({json::array({"gpu"})})}}});
  }
  if (settings.node_address) {
    json bindings = json::object();
    for (const Port& port : wanted.ports) {
      const std::string node_port = port.node_port != 0 ? std::to_string(port.node_port) : "";
      bindings[std::to_string(port.port) + "/tcp"] =
          json::array({{{"HostIp", settings.node_address->to_string()}, {"HostPort", node_port}}});
    }
    host["PortBindings"] = std::move(bindings);
  }
  return host;
}

}  // namespace

json labels_of(const Settings& settings, const EnvId& environment) {
  return {{std::string(kLabelInstall), settings.install},
          {std::string(kLabelEnvironment), environment.str()}};
}

json container_body(const Settings& settings, const Wanted& wanted, const Resolved& resolved) {
  json labels = labels_of(settings, wanted.environment);
  labels[std::string(kLabelGeneration)] = std::to_string(wanted.generation);
  labels[std::string(kLabelOwner)] = wanted.owner;
  labels[std::string(kLabelImage)] = resolved.image_digest;
  if (!resolved.gpus.empty()) {
    labels[std::string(kLabelGpus)] = join(resolved.gpus);
    labels[std::string(kLabelGpuMode)] = wanted.gpu.mode == GpuMode::shared ? "shared" : "exclusive";
  }
  json variables = json::array();
  for (const auto& [name, value] : wanted.variables) variables.push_back(name + '=' + value);
  json exposed = json::object();
  for (const Port& port : wanted.ports) exposed[std::to_string(port.port) + "/tcp"] = json::object();
  json body = {
      {"Image", resolved.image_id},
      {"Hostname", wanted.environment.str()},
      {"Labels", std::move(labels)},
      {"Env", std::move(variables)},
      {"ExposedPorts", std::move(exposed)},
      {"AttachStdin", false},
      {"AttachStdout", false},
      {"AttachStderr", false},
      {"Tty", false},
      {"HostConfig", host_config(settings, wanted, resolved)},
  };
  if (!wanted.command.empty()) body["Cmd"] = wanted.command;
  return body;
}

json volume_body(const Settings& settings, const EnvId& environment, const std::string& volume) {
  return {{"Name", volume_name(settings.install, environment, volume)},
          {"Driver", "local"},
          {"Labels", labels_of(settings, environment)}};
}

json network_body(const Settings& settings, const std::string& owner) {
  return {{"Name", network_name(settings.install, owner)},
          {"CheckDuplicate", true},
          {"Driver", "bridge"},
          {"Labels", {{std::string(kLabelInstall), settings.install}, {std::string(kLabelOwner), owner}}}};
}

}  // namespace envgate::backends::docker
