// The settings of envgate-control. It shares its file with the gateway: `domain` is both's, `control.*` is
// ours, and the gateway's other sections are passed over. conf/envgate.yaml documents every key. Immutable
// once loaded.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/command_line.hpp"
#include "base/ip.hpp"
#include "base/log.hpp"
#include "base/settings.hpp"
#include "base/units.hpp"

namespace envgate::control {

struct GpuEntry {
  std::string id, model;
  bool operator==(const GpuEntry&) const = default;
};

struct ControlSettings {
  std::string domain = "localhost";
  struct Control {
    std::string socket = "/run/envgate/control.sock";
    std::string store = "sqlite:/var/lib/envgate-control/control.db";
    std::string key_file = "/var/lib/envgate-control/control.key";
    unsigned workers = 4;  // threads that answer requests
    struct Groups {
      std::string read, gateway, operate, admin;
    } groups;
    struct Log {
      log::Level level = log::Level::info;
      std::string file = "-";
    } log;
    struct Tls {
      std::optional<Endpoint> bind;
      std::string certificate, key;
    } tls;
    struct Metrics {
      std::optional<Endpoint> bind;
    } metrics;
    struct Tickets {
      std::string key_file;
      Duration lifetime = std::chrono::seconds(60);
    } tickets;
    struct Ports {
      PortRange ssh{50000, 58999};
      PortRange tcp{59000, 59999};
      Duration quarantine = std::chrono::minutes(10);
      bool probe = true;
    } ports;
    struct Public {
      std::uint16_t https_port = 443;
    } gateway;
    struct Docker {
      std::string socket;
      std::vector<std::string> bind_roots;
      std::vector<GpuEntry> gpus;
      unsigned concurrency = 4;
      Duration grace = std::chrono::seconds(10);
      Duration timeout = std::chrono::minutes(30);
    } docker;
    struct Physical {
      std::string clean_script;
      unsigned concurrency = 8;
      Duration timeout = std::chrono::minutes(15);
      Duration check = std::chrono::seconds(60);
    } physical;
    struct Redis {
      std::string url;
      bool publish_verifiers = false;
    } redis;
    struct Reconcile {
      Duration resync = std::chrono::seconds(15);
      Duration retry_first = std::chrono::seconds(1);
      Duration retry_most = std::chrono::minutes(5);
      Duration claim = std::chrono::seconds(30);
      Duration give_up = std::chrono::minutes(15);
      Duration reach = std::chrono::seconds(5);
      bool sweep_orphans = true;
    } reconcile;
  } control;
};

using ControlSchema = settings::Schema<ControlSettings>;
const ControlSchema& control_schema();
const ProgramText& program_text();

}  // namespace envgate::control
