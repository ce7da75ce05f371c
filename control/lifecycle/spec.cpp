#include "control/lifecycle/spec.hpp"

#include <algorithm>

#include "backends/words.hpp"
#include "base/ip.hpp"
#include "control/lifecycle/fields.hpp"

namespace envgate::control {
namespace {

using backends::GpuMode;
using backends::MountKind;
using backends::PullPolicy;
using nlohmann::json;

constexpr unsigned long long kMostCpu = 1'024'000;  // thousandths of a core
constexpr std::size_t kMostKeys = 32, kMostPorts = 64, kMostMounts = 32, kMostVariables = 256,
                      kMostWords = 64, kMostShares = 16, kMostCommand = 1024;

std::string_view to_string(PullPolicy pull) {
  constexpr std::string_view words[] = {"always", "missing", "never"};
  return words[static_cast<std::size_t>(pull)];
}
std::string_view to_string(GpuMode mode) {
  constexpr std::string_view words[] = {"exclusive", "shared", "mig"};
  return words[static_cast<std::size_t>(mode)];
}
std::string_view to_string(PortSpec::Access access) {
  constexpr std::string_view words[] = {"public", "private", "tcp"};
  return words[static_cast<std::size_t>(access)];
}

bool one_line(const std::string& text) {
  return std::none_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; });
}

// 0: it is none.
std::uint16_t forbid_bit(const std::string& name) {
  for (std::size_t i = 0; i < routing::kSshForbids; ++i)
    if (const auto what = static_cast<routing::SshForbid>(i); routing::to_string(what) == name)
      return routing::bit_of(what);
  return 0;
}

void read_shares(Fields& f, const Place& list, Policy& policy) {
  for (std::size_t i = 0, count = f.array(list, kMostShares); i < count; ++i) {
    const Place one = Fields::element(list, i);
    std::string owner;
    f.text(one, 64, owner);
    if (!backends::valid_owner(owner)) f.wrong(one, "is not 1 to 64 of [a-z0-9._-], the first of [a-z0-9]");
    if (std::find(policy.shared_with.begin(), policy.shared_with.end(), owner) != policy.shared_with.end())
      f.wrong(one, "is named twice");
    policy.shared_with.push_back(std::move(owner));
  }
}

void read_ports(Fields& f, const Place& list, Spec& spec) {
  using Access = PortSpec::Access;
  for (std::size_t i = 0, count = f.array(list, kMostPorts); i < count; ++i) {
    const Place at = Fields::element(list, i);
    if (!f.object(at, {"port", "access", "scheme", "service"})) {
      if (!at.value->is_object()) f.wrong(at, "is not an object");
      continue;
    }
    PortSpec port;
    unsigned long long number = 0;
    f.missing(Fields::member(at, "port"));
    f.whole(Fields::member(at, "port"), 1, 65535, number);
    port.port = static_cast<std::uint16_t>(number);
    f.choice<Access>(Fields::member(at, "access"),
                     {{"public", Access::open}, {"private", Access::restricted}, {"tcp", Access::tcp}},
                     port.access);
    f.choice<routing::Scheme>(Fields::member(at, "scheme"),
                              {{"http", routing::Scheme::http}, {"https", routing::Scheme::https}},
                              port.scheme);
    f.text(Fields::member(at, "service"), 32, port.service);
    if (port.access == Access::tcp && port.service.empty()) port.service = "tcp";
    if (port.access != Access::tcp && !port.service.empty())
      f.wrong(Fields::member(at, "service"), "is for ports whose access is tcp");
    if (std::any_of(spec.ports.begin(), spec.ports.end(),
                    [&](const PortSpec& other) { return port.port != 0 && other.port == port.port; }))
      f.wrong(Fields::member(at, "port"), "is named twice");
    spec.ports.push_back(std::move(port));
  }
}

void read_ssh(Fields& f, const Place& at, Spec& spec) {
  if (!f.object(at, {"mode", "user", "keys"})) return;
  f.choice<routing::SshMode>(
      Fields::member(at, "mode"),
      {{"passthrough", routing::SshMode::passthrough}, {"audited", routing::SshMode::audited}},
      spec.ssh_mode);
  f.text(Fields::member(at, "user"), 32, spec.ssh_user);
  const Place keys = Fields::member(at, "keys");
  for (std::size_t i = 0, count = f.array(keys, kMostKeys); i < count; ++i) {
    const Place key = Fields::element(keys, i);
    std::string text;
    f.text(key, 16384, text);
    while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
    if (text.empty() || !one_line(text)) f.wrong(key, "is not one line of an authorized_keys file");
    spec.ssh_keys.push_back(std::move(text));
  }
}

void read_container(Fields& f, const Place& at, Spec& spec) {
  backends::Wanted& w = spec.wanted;
  f.missing(Fields::member(at, "image"));
  f.text(Fields::member(at, "image"), 512, w.image);
  const Place command = Fields::member(at, "command");
  for (std::size_t i = 0, count = f.array(command, kMostWords); i < count; ++i)
    f.text(Fields::element(command, i), 4096, w.command.emplace_back());
  const Place variables = Fields::member(at, "env");
  if (variables.exists() && !variables.value->is_object())
    f.wrong(variables, "is not an object");
  else if (variables.exists() && variables.value->size() > kMostVariables)
    f.wrong(variables, "has more than " + std::to_string(kMostVariables) + " entries");
  else if (variables.exists())
    for (const auto& [name, value] : variables.value->items()) {
      std::string text;
      f.text(Fields::member(variables, name), 32768, text);
      w.variables.emplace_back(name, std::move(text));
    }
  unsigned long long shm = 0, memory = 0, cpu = 0, pids = 0;
  for (const char* name : {"cpu", "memory"}) f.missing(Fields::member(at, name));
  f.millis(Fields::member(at, "cpu"), kMostCpu, cpu);
  f.bytes(Fields::member(at, "memory"), memory);
  f.bytes(Fields::member(at, "shm"), shm);
  f.bytes(Fields::member(at, "storage"), spec.storage);
  f.whole(Fields::member(at, "pids"), 0, 1 << 22, pids);
  w.cpu_millis = static_cast<std::uint32_t>(cpu);
  w.memory = {memory};
  w.shm = {shm};
  w.pids = static_cast<std::uint32_t>(pids);
  if (const Place gpu = Fields::member(at, "gpu"); f.object(gpu, {"count", "model", "mode"})) {
    unsigned long long count = 0;
    f.whole(Fields::member(gpu, "count"), 0, 64, count);
    w.gpu.count = static_cast<std::uint32_t>(count);
    f.text(Fields::member(gpu, "model"), 64, w.gpu.model);
    f.choice<GpuMode>(Fields::member(gpu, "mode"),
                      {{"exclusive", GpuMode::exclusive}, {"shared", GpuMode::shared}, {"mig", GpuMode::mig}},
                      w.gpu.mode);
  }
  const Place mounts = Fields::member(at, "mounts");
  for (std::size_t i = 0, count = f.array(mounts, kMostMounts); i < count; ++i) {
    const Place one = Fields::element(mounts, i);
    backends::Mount mount;
    if (!f.object(one, {"type", "source", "target", "read_only"})) {
      if (!one.value->is_object()) f.wrong(one, "is not an object");
      continue;
    }
    f.choice<MountKind>(Fields::member(one, "type"),
                        {{"volume", MountKind::volume}, {"bind", MountKind::bind}}, mount.kind);
    f.text(Fields::member(one, "source"), 4096, mount.source);
    f.text(Fields::member(one, "target"), 4096, mount.target);
    f.flag(Fields::member(one, "read_only"), mount.read_only);
    w.mounts.push_back(std::move(mount));
  }
  f.choice<PullPolicy>(
      Fields::member(at, "pull"),
      {{"always", PullPolicy::always}, {"missing", PullPolicy::missing}, {"never", PullPolicy::never}},
      w.pull);
  if (const Place registry = Fields::member(at, "registry"); f.object(registry, {"user", "password"})) {
    std::string password;
    w.registry.emplace();
    f.missing(Fields::member(registry, "user"));
    f.text(Fields::member(registry, "user"), 256, w.registry->user);
    f.text(Fields::member(registry, "password"), 4096, password);
    w.registry->password = backends::Secret(password);
  }
  f.text(Fields::member(at, "node"), 64, spec.node);
}

void read_physical(Fields& f, const Place& at, Spec& spec) {
  f.text(Fields::member(at, "machine"), 64, spec.machine);
  const Place selector = Fields::member(at, "selector");
  if (f.object(selector, {"region", "gpu_model", "gpus", "cpu", "memory", "disk"})) {
    Selector s;
    f.text(Fields::member(selector, "region"), 64, s.region);
    f.text(Fields::member(selector, "gpu_model"), 64, s.gpu_model);
    f.whole(Fields::member(selector, "gpus"), 0, 64, s.gpus);
    f.whole(Fields::member(selector, "cpu"), 0, 65536, s.cpu);
    f.bytes(Fields::member(selector, "memory"), s.memory);
    f.bytes(Fields::member(selector, "disk"), s.disk);
    spec.selector = std::move(s);
  }
  if (spec.machine.empty() == !spec.selector.has_value())
    f.wrong(at, spec.machine.empty() ? "needs a machine or a selector"
                                     : "has a machine and a selector: only one");
}

}  // namespace

Spec parse_spec(Fields& f, const json& tree, const std::string& backend) {
  Spec spec;
  const Place at{&tree, "/spec"};
  const bool physical = backend == "physical";
  const bool read = physical
                        ? f.object(at, {"machine", "selector", "ports", "ssh"})
                        : f.object(at, {"image", "command", "env", "cpu", "memory", "shm", "pids", "storage",
                                        "gpu", "mounts", "ports", "ssh", "pull", "registry", "node"});
  if (!read) return spec;
  if (physical)
    read_physical(f, at, spec);
  else
    read_container(f, at, spec);
  read_ports(f, Fields::member(at, "ports"), spec);
  read_ssh(f, Fields::member(at, "ssh"), spec);
  return spec;
}

SshPolicy SshPolicy::with(const SshPolicy& owners) const {
  return {static_cast<std::uint16_t>(forbid | owners.forbid), record_input || owners.record_input,
          owners.force_command.empty() ? force_command : owners.force_command};
}

SshPolicy parse_ssh_policy(Fields& f, const json* tree, const std::string& pointer) {
  SshPolicy policy;
  const Place at{tree, pointer};
  if (!f.object(at, {"forbid", "record_input", "force_command"})) return policy;
  const Place list = Fields::member(at, "forbid");
  for (std::size_t i = 0, count = f.array(list, routing::kSshForbids); i < count; ++i) {
    const Place one = Fields::element(list, i);
    std::string name;
    f.text(one, 64, name);
    const std::uint16_t bit = forbid_bit(name);
    if (bit == 0)
      f.wrong(one,
              "is none of agent, x11, local_forwarding, remote_forwarding, unix_forwarding,"
              " sftp, exec, shell, pty");
    policy.forbid |= bit;
  }
  f.flag(Fields::member(at, "record_input"), policy.record_input);
  f.text(Fields::member(at, "force_command"), kMostCommand, policy.force_command);
  if (!one_line(policy.force_command)) f.wrong(Fields::member(at, "force_command"), "is not one line");
  return policy;
}

Policy parse_policy(Fields& f, const json& tree) {
  Policy policy;
  const Place at{&tree, "/policy"};
  if (!f.object(at, {"volumes", "allow_from", "start", "shared_with", "ssh"})) return policy;
  f.choice<bool>(Fields::member(at, "start"), {{"manual", false}, {"on_demand", true}}, policy.on_demand);
  read_shares(f, Fields::member(at, "shared_with"), policy);
  policy.ssh = parse_ssh_policy(f, Fields::member(at, "ssh").value, "/policy/ssh");
  f.choice<backends::Volumes>(Fields::member(at, "volumes"),
                              {{"keep", backends::Volumes::keep}, {"remove", backends::Volumes::remove}},
                              policy.volumes);
  const Place networks = Fields::member(at, "allow_from");
  for (std::size_t i = 0, count = f.array(networks, 256); i < count; ++i) {
    std::string text;
    f.text(Fields::element(networks, i), 64, text);
    if (!Cidr::parse(text)) f.wrong(Fields::element(networks, i), "is not a network such as 10.0.0.0/8");
    policy.allow_from.push_back(std::move(text));
  }
  return policy;
}

json spec_json(const Spec& spec, const std::string& backend) {
  const backends::Wanted& w = spec.wanted;
  json out = json::object();
  if (backend == "physical") {
    if (!spec.machine.empty()) out["machine"] = spec.machine;
    if (spec.selector) {
      const Selector& s = *spec.selector;
      out["selector"] = {{"region", s.region}, {"gpu_model", s.gpu_model}, {"gpus", s.gpus},
                         {"cpu", s.cpu},       {"memory", s.memory},       {"disk", s.disk}};
    }
  } else {
    out["image"] = w.image;
    out["command"] = w.command;
    out["env"] = json::object();
    for (const auto& [name, value] : w.variables) out["env"][name] = value;
    out["cpu"] = w.cpu_millis / 1000.0;
    out["memory"] = w.memory.count;
    out["shm"] = w.shm.count;
    out["pids"] = w.pids;
    out["storage"] = spec.storage;
    out["gpu"] = {{"count", w.gpu.count}, {"model", w.gpu.model}, {"mode", to_string(w.gpu.mode)}};
    out["mounts"] = json::array();
    for (const backends::Mount& m : w.mounts)
      out["mounts"].push_back({{"type", m.kind == MountKind::bind ? "bind" : "volume"},
                               {"source", m.source},
                               {"target", m.target},
                               {"read_only", m.read_only}});
    out["pull"] = to_string(w.pull);
    if (w.registry) out["registry"] = {{"user", w.registry->user}};
    if (!spec.node.empty()) out["node"] = spec.node;
  }
  out["ports"] = json::array();
  for (const PortSpec& p : spec.ports) {
    json port = {{"port", p.port}, {"access", to_string(p.access)}};
    if (p.access == PortSpec::Access::tcp)
      port["service"] = p.service;
    else
      port["scheme"] = routing::to_string(p.scheme);
    out["ports"].push_back(std::move(port));
  }
  out["ssh"] = {
      {"mode", routing::to_string(spec.ssh_mode)}, {"user", spec.ssh_user}, {"keys", spec.ssh_keys}};
  return out;
}

json policy_json(const Policy& policy) {
  return {{"volumes", policy.volumes == backends::Volumes::keep ? "keep" : "remove"},
          {"allow_from", policy.allow_from},
          {"start", policy.on_demand ? "on_demand" : "manual"},
          {"shared_with", policy.shared_with},
          {"ssh", ssh_policy_json(policy.ssh)}};
}

json ssh_policy_json(const SshPolicy& policy) {
  json forbid = json::array();
  for (std::size_t i = 0; i < routing::kSshForbids; ++i) {
    const auto what = static_cast<routing::SshForbid>(i);
    if ((policy.forbid & routing::bit_of(what)) != 0) forbid.push_back(routing::to_string(what));
  }
  return {{"forbid", std::move(forbid)},
          {"record_input", policy.record_input},
          {"force_command", policy.force_command}};
}

Spec stored_spec(const store::Environment& environment) {
  Fields fields;
  const auto tree = read_json(environment.spec);
  return parse_spec(fields, tree ? *tree : json::object(), environment.backend);
}

Policy stored_policy(const store::Environment& environment) {
  Fields fields;
  const auto tree = read_json(environment.policy);
  return parse_policy(fields, tree ? *tree : json::object());
}

SshPolicy stored_owner_policy(const std::string& text) {
  Fields fields;
  const auto tree = read_json(text);
  const json none = json::object();
  return parse_ssh_policy(fields, Fields::member(Fields::root(tree ? *tree : none), "ssh").value, "/ssh");
}

store::Resources resources_of(const Spec& spec) {
  return {spec.wanted.cpu_millis, static_cast<long long>(spec.wanted.memory.count), spec.wanted.gpu.count,
          static_cast<long long>(spec.storage)};
}

std::string pointer_of(const std::string& path) {
  std::string out = "/spec";
  std::string part;
  const auto flush = [&] {
    if (part == "cpu_millis") part = "cpu";
    if (part == "variables") part = "env";
    if (part == "login") part = "ssh";
    if (part == "authorized_keys") part = "keys";
    if (!part.empty()) out += "/" + part;
    part.clear();
  };
  if (path == "owner") return "/owner";
  for (const char c : path) {
    if (c == '.' || c == '[')
      flush();
    else if (c != ']')
      part += c;
  }
  flush();
  return out;
}

bool valid_name(std::string_view text) {
  return !text.empty() && text.size() <= 64 && text.front() != ' ' && text.back() != ' ' &&
         std::none_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; });
}

}  // namespace envgate::control
