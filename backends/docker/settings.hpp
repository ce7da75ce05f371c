// What one Docker (or Podman) engine is to envgate: where it answers and what it may be asked for.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "base/ip.hpp"
#include "base/result.hpp"

namespace envgate::backends::docker {

// A Unix socket on this machine, or TLS with client certificates for a remote node. Never plain TCP.
struct EngineAddress {
  std::string socket;  // path; used when `host` is empty
  std::string host;    // "host:port"
  std::string ca;      // PEM files; with `host` all three are needed
  std::string certificate;
  std::string key;
  std::string shown() const { return host.empty() ? socket : "https://" + host; }
};

struct GpuDevice {
  std::string id;     // as the engine's GPU driver knows it: an index or a UUID
  std::string model;  // as a spec may ask for it
};

struct Settings {
  std::string install;  // 1 to 16 of [a-z0-9]: in every name and label, tells installs on one engine apart
  EngineAddress engine;
  // Set for a remote node: its containers' addresses are not routable, so that ports are published there.
  std::optional<IpAddress> node_address;
  std::vector<std::string> bind_roots;  // directories below which binds are allowed; none: no binds
  std::vector<GpuDevice> gpus;
  std::string gpu_driver = "nvidia";
  std::chrono::seconds grace{10};  // from TERM to KILL when a container is replaced or removed
};

// Errors: the first setting that is wrong.
Result<void> check(const Settings& settings);

}  // namespace envgate::backends::docker
