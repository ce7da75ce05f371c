// What is wanted of a backend and what it saw: plain values, without a word of any one backend's own.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "backends/secret.hpp"
#include "base/ip.hpp"
#include "base/units.hpp"
#include "routing/names.hpp"

namespace envgate::backends {

using routing::EnvId;

enum class GpuMode : std::uint8_t { exclusive, shared, mig };
enum class MountKind : std::uint8_t { volume, bind };
enum class PullPolicy : std::uint8_t { always, missing, never };
enum class Power : std::uint8_t { running, stopped };
enum class Volumes : std::uint8_t { keep, remove };  // what `destroy` does with named volumes

struct Gpu {
  std::uint32_t count = 0;  // 0: none, and the rest is not looked at
  std::string model;        // empty: any
  GpuMode mode = GpuMode::exclusive;
};

struct Mount {
  MountKind kind = MountKind::volume;
  std::string source;  // a volume's name within its environment, or a path of the host
  std::string target;  // an absolute path in the environment
  bool read_only = false;
};

struct Port {
  std::uint16_t port = 0;       // TCP, in the environment
  std::uint16_t node_port = 0;  // where it is published on a remote node; 0: the engine chooses
};

struct Login {
  std::string user = "root";
  Secret password;                           // empty: stays as it is
  std::vector<std::string> authorized_keys;  // lines; empty: stay as they are; otherwise exactly these
};

struct RegistryLogin {
  std::string user;
  Secret password;
};

struct Wanted {
  EnvId environment;
  std::uint64_t generation = 0;      // grows with every change of what follows, but for `power` and `login`
  std::string owner;                 // 1 to 64 of [a-z0-9._-], the first of [a-z0-9]
  std::string image;                 // name, name:tag or name@sha256:digest
  std::vector<std::string> command;  // empty: the image's own
  std::vector<std::pair<std::string, std::string>> variables;
  std::uint32_t cpu_millis = 0;  // 1000: one core
  Bytes memory;
  Bytes shm;               // 0: 64 MiB
  std::uint32_t pids = 0;  // 0: 4096
  Gpu gpu;
  std::vector<Mount> mounts;
  std::vector<Port> ports;
  PullPolicy pull = PullPolicy::missing;
  std::optional<RegistryLogin> registry;
  Power power = Power::running;
  // Set on every `ensure` that has one, after the start. Leave it out once it is set: a customer may have
  // changed the password since.
  std::optional<Login> login;
};

enum class State : std::uint8_t { absent, creating, running, stopped, failed };

struct Published {
  std::uint16_t port = 0;       // in the environment
  std::uint16_t node_port = 0;  // at `Observed::address`
  bool operator==(const Published&) const = default;
};

struct Observed {
  EnvId environment;
  State state = State::absent;
  std::uint64_t generation = 0;
  std::string instance;  // the engine's own id of what runs: another one after it was made anew
  std::string owner;
  // Where the gateway reaches it: read anew by each call, since it changes with every start.
  std::optional<IpAddress> address;
  // Ports that are reached at that address by another number: of remote nodes, and the sshd of a machine.
  std::vector<Published> published;
  std::string image_digest;  // "sha256:..." of what really runs
  std::optional<std::chrono::sys_seconds> started_at;
  std::string detail;  // for people: why it failed, how it ended
};

// What an environment's SSH server shows to anybody who connects.
struct HostKeys {
  std::vector<std::string> keys;  // "ssh-ed25519 AAAA..."
  std::string server;             // what it calls itself: "OpenSSH_9.2p1"; empty: nothing
};

// What all environments of one backend share. 0: not known.
struct Capacity {
  std::uint64_t cpu_millis = 0;
  Bytes memory;
};

}  // namespace envgate::backends
