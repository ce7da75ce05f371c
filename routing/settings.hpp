// What the routing engine is told at start: filled by main from the `routes.*` settings. Plain data.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/ip.hpp"
#include "routing/allowed.hpp"

namespace envgate::routing {

enum class SourceKind : std::uint8_t { control, file, redis };

struct PortRange {
  std::uint16_t first = 1;
  std::uint16_t last = 65535;
  bool contains(std::uint16_t port) const { return port >= first && port <= last; }
  bool operator==(const PortRange&) const = default;
};

struct RedisSettings {
  std::string url = "redis://127.0.0.1:6379/0";  // or unix:///path/to/socket?db=0
  bool require_noeviction = false;               // an allkeys-* maxmemory-policy is an error, not a warning
  std::chrono::milliseconds connect_timeout{2000};
  std::chrono::milliseconds silence{2000};  // nothing heard for this long: stale, and connect again
  std::chrono::milliseconds canary{500};    // how often each connection is asked for a sign of life
  std::chrono::milliseconds retry_first{50};
  std::chrono::milliseconds retry_most{2000};
  std::chrono::seconds resync{600};  // everything is read again this often, in case a push was lost
  std::chrono::milliseconds empty_grace{
      10000};  // a new server that lost most routes gets this long to be refilled
};

struct ControlSettings {
  std::string socket = "/run/envgate/control.sock";
  std::chrono::milliseconds silence{3000};  // nothing heard for this long: stale, and connect again
  std::chrono::milliseconds answer{10000};  // the same, until a session's snapshot begins
  std::chrono::milliseconds retry_first{50};
  std::chrono::milliseconds retry_most{2000};
};

struct RoutingSettings {
  SourceKind source = SourceKind::file;
  std::string file;  // routes.file
  ControlSettings control;
  RedisSettings redis;
  std::string snapshot;                               // routes.snapshot: a path; empty: none is kept
  std::chrono::milliseconds snapshot_interval{5000};  // written at most this often
  std::chrono::seconds max_stale{24 * 3600};          // store away for longer: nothing is served; 0: for ever
  std::vector<Cidr> allowed_targets = AllowedTargets::defaults();
  std::optional<PortRange> listen_ports;          // ssh.port_range; a listening port outside is refused
  std::vector<std::uint16_t> reserved_ports;      // the gateway's own listeners, which no route may claim
  std::chrono::milliseconds miss_deadline{1000};  // how long a lookup of an unknown environment may take
  std::chrono::milliseconds absent_ttl{2000};     // how long "not there" is believed
  std::size_t absent_entries = 65536;
  std::uint32_t miss_rate = 1000;              // unknown environments asked about, a second
  std::chrono::milliseconds start_wait{3000};  // how long start() waits for the first load
};

}  // namespace envgate::routing
