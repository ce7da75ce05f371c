#include "backends/docker/observe.hpp"

#include "backends/docker/names.hpp"
#include "routing/timestamp.hpp"

namespace envgate::backends::docker {
namespace {

constexpr std::size_t kMaxPublished = 1024;

std::string label(const json& labels, std::string_view name) { return text_at(labels, {name}); }

void put_labels(const json& labels, Observed& seen) {
  seen.generation = whole_number(label(labels, kLabelGeneration));
  seen.owner = label(labels, kLabelOwner);
  seen.image_digest = label(labels, kLabelImage);
}

State state_of(const std::string& status, const json& state) {
  if (status == "running") return State::running;
  if (status == "created" || status == "restarting" || status == "configured" || status == "initialized") {
    return State::creating;
  }
  // Not the exit status: many a program ends with 1 when it is told to. `detail` has it.
  const bool broken = !text_at(state, {"Error"}).empty() || flag_at(state, {"OOMKilled"});
  return status == "dead" || broken ? State::failed : State::stopped;
}

std::string detail_of(const std::string& status, const json& state) {
  const std::string error = excerpt(text_at(state, {"Error"}));
  if (!error.empty()) return error;
  if (flag_at(state, {"OOMKilled"})) return "ended for want of memory: its limit is too small";
  if (status == "exited" || status == "stopped") {
    return "exited with status " + std::to_string(number_at(state, {"ExitCode"}));
  }
  return status == "running" ? "" : excerpt(status, 32);
}

std::optional<IpAddress> address_in(const json& networks, const std::string& network) {
  const auto address = IpAddress::parse(text_at(networks, {network, "IPAddress"}));
  if (!address) return std::nullopt;
  return *address;
}

// {"22/tcp": [{"HostIp": "192.0.2.1", "HostPort": "32768"}]}; null where nothing is published.
void put_published(const json& ports, Observed& seen) {
  if (!ports.is_object()) return;
  for (const auto& [name, bindings] : ports.items()) {
    const std::size_t slash = name.find('/');
    const auto port = routing::parse_port(std::string_view(name).substr(0, slash));
    if (!port || slash == std::string::npos || name.substr(slash) != "/tcp" || !bindings.is_array()) continue;
    for (const json& binding : bindings) {
      const auto node_port = routing::parse_port(text_at(binding, {"HostPort"}));
      if (!node_port || seen.published.size() >= kMaxPublished) continue;
      seen.published.push_back({*port, *node_port});
      break;  // the same again for IPv6
    }
  }
}

}  // namespace

std::optional<EnvId> environment_of(const Settings& settings, const json& labels) {
  if (label(labels, kLabelInstall) != settings.install) return std::nullopt;
  return EnvId::parse(label(labels, kLabelEnvironment));
}

Observed observed_of(const Settings& settings, const EnvId& environment, const json& inspected) {
  Observed seen;
  seen.environment = environment;
  seen.instance = text_at(inspected, {"Id"});
  put_labels(at(inspected, {"Config", "Labels"}), seen);
  const json& state = at(inspected, {"State"});
  const std::string status = text_at(state, {"Status"});
  seen.state = state_of(status, state);
  seen.detail = detail_of(status, state);
  if (seen.image_digest.empty()) seen.image_digest = text_at(inspected, {"Image"});
  if (seen.state != State::running) return seen;
  seen.started_at = parse_engine_time(text_at(state, {"StartedAt"}));
  if (settings.node_address) {
    seen.address = settings.node_address;
    put_published(at(inspected, {"NetworkSettings", "Ports"}), seen);
  } else {
    seen.address = address_in(at(inspected, {"NetworkSettings", "Networks"}),
                              network_name(settings.install, seen.owner));
  }
  return seen;
}

std::optional<Observed> listed_of(const Settings& settings, const json& element) {
  const json& labels = at(element, {"Labels"});
  const auto environment = environment_of(settings, labels);
  if (!environment) return std::nullopt;
  Observed seen;
  seen.environment = *environment;
  seen.instance = text_at(element, {"Id"});
  put_labels(labels, seen);
  const std::string status = text_at(element, {"State"});
  seen.state = state_of(status, json::object());  // how it ended is not in a list
  if (status != "running") seen.detail = excerpt(text_at(element, {"Status"}), 100);
  if (seen.state != State::running) return seen;
  if (!settings.node_address) {
    seen.address =
        address_in(at(element, {"NetworkSettings", "Networks"}), network_name(settings.install, seen.owner));
    return seen;
  }
  seen.address = settings.node_address;
  const json& ports = at(element, {"Ports"});
  for (std::size_t i = 0; ports.is_array() && i < ports.size() && seen.published.size() < kMaxPublished;
       ++i) {
    const std::uint64_t port = number_at(ports[i], {"PrivatePort"}),
                        node = number_at(ports[i], {"PublicPort"});
    if (port == 0 || port > 65535 || node == 0 || node > 65535) continue;
    const Published published{static_cast<std::uint16_t>(port), static_cast<std::uint16_t>(node)};
    if (seen.published.empty() || !(seen.published.back() == published)) seen.published.push_back(published);
  }
  return seen;
}

std::optional<GpuUse> gpu_use_of(const json& labels) {
  const std::string ids = label(labels, kLabelGpus);
  if (ids.empty()) return std::nullopt;
  GpuUse use;
  use.shared = label(labels, kLabelGpuMode) == "shared";
  for (std::size_t begin = 0; begin <= ids.size();) {
    const std::size_t end = std::min(ids.find(',', begin), ids.size());
    use.ids.push_back(ids.substr(begin, end - begin));
    begin = end + 1;
  }
  return use;
}

std::string image_digest_of(const json& image, const std::string& repository) {
  const json& digests = at(image, {"RepoDigests"});
  std::string any;
  for (std::size_t i = 0; digests.is_array() && i < digests.size(); ++i) {
    if (!digests[i].is_string()) continue;
    const auto name = ImageName::parse(digests[i].get<std::string>());
    if (!name || name->digest.empty()) continue;
    if (name->repository == repository) return name->digest;
    if (any.empty()) any = name->digest;
  }
  return any.empty() ? text_at(image, {"Id"}) : any;
}

std::optional<std::chrono::sys_seconds> parse_engine_time(const std::string& text) {
  const auto seconds = routing::parse_timestamp(text);
  if (!seconds || *seconds <= 0) return std::nullopt;
  return std::chrono::sys_seconds(std::chrono::seconds(*seconds));
}

}  // namespace envgate::backends::docker
