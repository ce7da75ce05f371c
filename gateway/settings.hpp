// Everything about the gateway that an operator can set, as plain typed members grouped as in the YAML file:
// `routes.max_stale` is `settings.routes.max_stale`. What each means, its range and whether a change needs a
// restart stands in settings.cpp (the schema) and, for operators, in conf/envgate.yaml; the members'
// initialisers here are the built-in defaults.
//
// A value is immutable once loaded: threads share a `shared_ptr<const GatewaySettings>`, and a reload
// publishes a new one. Durations of zero and limits of zero mean "none" wherever the schema allows a zero.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/ip.hpp"
#include "base/log.hpp"
#include "base/units.hpp"

namespace envgate::gateway {

enum class RouteSource : std::uint8_t { control, redis, file };
enum class OnRouteChange : std::uint8_t { keep, close };
enum class OnRecordFailure : std::uint8_t { stop, go_on };
enum class TlsVersion : std::uint8_t { tls12, tls13 };

struct CertificateFiles {
  std::string certificate;  // PEM, the chain, the server's own first
  std::string key;          // PEM
  bool operator==(const CertificateFiles&) const = default;
};

struct GatewaySettings {
  std::string domain = "localhost";
  unsigned workers = 0;  // 0: one per core
  std::string user;      // empty: stay who we are

  struct Routes {
    RouteSource source = RouteSource::control;
    std::string file = "/etc/envgate/routes.yaml";
    std::string snapshot = "/var/lib/envgate/routes.snapshot";  // empty: none is kept
    Duration max_stale = std::chrono::hours(24);                // 0: for ever
    std::vector<Cidr> allowed_targets;                          // the constructor: the private networks
    OnRouteChange on_change = OnRouteChange::keep;
    struct Control {
      std::string socket = "/run/envgate/control.sock";
    } control;
    struct Redis {
      std::string url = "redis://127.0.0.1:6379/0";  // may hold a password: never log it
      bool require_noeviction = false;
    } redis;
    Routes();
  } routes;

  struct Ssh {
    std::optional<IpAddress> bind = IpAddress::v4(0);  // empty: off. The ports come from the routes
    PortRange port_range{50000, 59999};
    Bytes pipe_size{1 << 20};
    struct Audited {
      std::string host_key_file;     // empty: audited sessions are not served
      std::optional<Endpoint> bind;  // where the user name says which environment; empty: off
      std::string user;              // the account of session processes; empty: `user`
      std::string program;           // empty: envgate-session beside the running program
      std::vector<std::string> user_cas;
      Duration login_grace = std::chrono::minutes(2);
      unsigned max_tries = 6;
      bool passwords = true;
      unsigned password_threads = 1;
      struct Onward {
        std::string ca_file;
        std::string key_file;
      } onward;
      struct Startups {
        unsigned begin = 100, rate = 30, full = 500, per_source = 0;
      } startups;
      struct Penalties {
        bool enabled = true;
        std::vector<Cidr> exempt;
      } penalties;
    } audited;
  } ssh;

  struct Https {
    std::optional<Endpoint> bind;  // empty: off
    std::vector<CertificateFiles> certificates;
    TlsVersion min_version = TlsVersion::tls12;
    Duration ticket_rotation = std::chrono::hours(12);
  } https;

  struct Http {
    std::optional<Endpoint> bind;  // empty: off
    std::vector<std::uint16_t> default_ports{8888, 8080, 6006, 7860, 6080};
    Bytes max_head_bytes{16 << 10};
    unsigned max_fields = 100;
    Bytes max_request_line{8 << 10};
    Bytes min_body_rate{240};  // bytes per second
  } http;

  struct Private {
    std::string key_file;  // empty: private ports are closed
    Duration cookie_lifetime = std::chrono::hours(12);
  } private_ports;  // `private` in the file

  struct Http2 {
    unsigned max_concurrent_streams = 128;
  } http2;

  struct Target {
    Duration pool_idle = std::chrono::seconds(60);
    unsigned pool_per_environment = 128;
  } target;

  struct Tcp {
    Duration keepalive = std::chrono::seconds(60);
  } tcp;

  struct ProxyProtocol {
    std::vector<Cidr> trusted;
  } proxy_protocol;

  struct Limits {
    unsigned connections = 100'000;
    unsigned connections_per_source = 1'000;
    unsigned connections_per_environment = 2'000;
    unsigned connection_rate_per_source = 200;  // new ones per second
    unsigned requests_per_source = 1'000;       // per second
    unsigned requests_per_environment = 5'000;  // per second
  } limits;

  struct Timeouts {
    Duration handshake = std::chrono::seconds(10);
    Duration request_head = std::chrono::seconds(10);
    Duration request_body = std::chrono::seconds(30);
    Duration idle = std::chrono::seconds(75);
    Duration connect = std::chrono::seconds(5);
    Duration response_head = std::chrono::minutes(5);
    Duration tunnel_idle = std::chrono::seconds(0);
    Duration ssh_banner = std::chrono::seconds(10);
    Duration wake = std::chrono::minutes(5);
    Duration drain = std::chrono::seconds(30);
  } timeouts;

  struct Admin {
    std::string socket = "/run/envgate/admin.sock";  // empty: none
    std::string group;
  } admin;

  struct Audit {
    struct Records {  // of audited SSH sessions
      std::string directory = "/var/lib/envgate/records";
      std::string key_file = "/var/lib/envgate/record.key";
      OnRecordFailure on_failure = OnRecordFailure::stop;
      Bytes min_free{1 << 30};
      Duration max_age = std::chrono::hours(24 * 90);  // 0: for ever
      Bytes max_bytes{0};                              // 0: no limit
      bool input = false;
      Bytes exec_output{1 << 20};
      Bytes max_output{256 << 20};  // of a terminal; 0: no limit
      bool operator==(const Records&) const = default;
    } records;
  } audit;

  struct Metrics {
    std::optional<Endpoint> bind = Endpoint{IpAddress::v4(0x7f000001), 9464};
  } metrics;

  struct Log {
    log::Level level = log::Level::info;
    std::string file = "-";
  } log;
};

using GatewaySettingsPtr = std::shared_ptr<const GatewaySettings>;

}  // namespace envgate::gateway
