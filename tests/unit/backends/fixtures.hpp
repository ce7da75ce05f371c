// What most tests of the room begin with.
#pragma once

#include "backends/docker/settings.hpp"
#include "backends/spec.hpp"

namespace envgate::backends {

inline EnvId demo() { return *EnvId::parse("demo"); }

inline docker::Settings local_settings() {
  docker::Settings settings;
  settings.install = "test";
  settings.engine.socket = "/run/engine.sock";
  settings.grace = std::chrono::seconds(1);
  return settings;
}

inline docker::Settings remote_settings() {
  docker::Settings settings = local_settings();
  settings.node_address = *IpAddress::parse("192.0.2.7");
  return settings;
}

inline Wanted simple_spec() {
  Wanted wanted;
  wanted.environment = demo();
  wanted.generation = 1;
  wanted.owner = "alice";
  wanted.image = "example.org/base:1";
  wanted.cpu_millis = 500;
  wanted.memory = Bytes{64u << 20};
  return wanted;
}

}  // namespace envgate::backends
