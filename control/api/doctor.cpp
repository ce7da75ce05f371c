// /api/doctor: what an operator would look at first, each with its remedy.
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <cstdio>

#include "control/api/handling.hpp"
#include "control/api/listening.hpp"
#include "control/store/now.hpp"

namespace envgate::control::api {
namespace {

using std::chrono::seconds;

constexpr seconds kExpiresSoon{14 * 86400}, kClockWarns{5}, kClockFails{60};
constexpr std::uint16_t kDockerPort = 2375, kRedisPort = 6379;

class Checks {
 public:
  explicit Checks(Context& context) : context_(context) {}

  json all() {
    database();
    engines();
    redis();
    private_ports();
    machines();
    certificates();
    clocks();
    listeners();
    return std::move(list_);
  }

 private:
  void ok(const std::string& name, const std::string& message) { add(name, "ok", message, ""); }
  void warn(const std::string& name, const std::string& message, const std::string& remedy) {
    add(name, "warn", message, remedy);
  }
  void fail(const std::string& name, const std::string& message, const std::string& remedy) {
    add(name, "fail", message, remedy);
  }
  void add(const std::string& name, const char* status, const std::string& message,
           const std::string& remedy) {
    list_.push_back({{"name", name}, {"status", status}, {"message", message}, {"remedy", remedy}});
  }

  void database();
  void engines();
  void redis();
  void private_ports();
  void machines();
  void certificates();
  void certificate(const std::string& name, const std::string& path, const std::string& remedy);
  void clocks();
  void clock(const std::string& name, seconds away);
  void listeners();
  void taken_ports(const std::vector<Endpoint>& listening);

  Context& context_;
  json list_ = json::array();
};

void Checks::database() {
  const auto generation =
      read(context_, [](store::Transaction& t) -> Result<long long> { return store::route_generation(t); });
  if (generation)
    ok("database", "it answers");
  else
    fail("database", generation.error().detail, "see control.store");
}

void Checks::engines() {
  const auto health = context_.reconciler.health();
  if (health.empty())
    warn("engines", "none is set up", "set control.docker.socket, or add machines (envctl machine add)");
  for (const auto& [key, engine] : health) {
    if (engine.answers)
      ok("engine " + key, "it answers");
    else
      fail("engine " + key, engine.error,
           key == "docker/local" ? "start it, or check control.docker.socket and its rights"
                                 : "start it, or check its address and certificates (envctl node show)");
    if (engine.orphans > 0)
      warn("orphans on " + key, std::to_string(engine.orphans) + " things that no environment explains",
           "set control.reconcile.sweep_orphans, or remove them by hand");
  }
}

void Checks::redis() {
  if (!context_.redis) return;
  const RedisPublisher::Status redis = context_.redis->status();
  if (redis.connected)
    ok("redis", "it answers");
  else
    fail("redis", redis.error, "check control.redis.url and that the server runs");
  if (redis.maxmemory_policy.starts_with("allkeys"))
    warn("redis maxmemory-policy", redis.maxmemory_policy + ": it may silently drop routes",
         "CONFIG SET maxmemory-policy noeviction");
}

void Checks::private_ports() {
  if (!context_.tickets)
    warn("private ports", "they stay closed: there is no ticket key",
         "set control.tickets.key_file, and the gateway's private.key_file to the same file");
}

void Checks::machines() {
  const auto machines = read(context_, [](store::Transaction& t) -> Result<std::vector<store::PoolMachine>> {
    return store::list_machines(t, "quarantined");
  });
  for (const store::PoolMachine& machine : machines ? *machines : std::vector<store::PoolMachine>())
    warn("machine " + machine.name, "quarantined: " + machine.reason,
         "mend it, then: envctl machine available " + machine.name);
}

// The first certificate of a PEM file: how long it is still good. Nothing: it cannot be read.
std::optional<seconds> left_of(const std::string& path) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "re"), &std::fclose);
  if (!file) return std::nullopt;
  const std::unique_ptr<X509, void (*)(X509*)> certificate(
      PEM_read_X509(file.get(), nullptr, nullptr, nullptr), &X509_free);
  int days = 0, more = 0;
  if (!certificate || ASN1_TIME_diff(&days, &more, nullptr, X509_get0_notAfter(certificate.get())) != 1)
    return std::nullopt;
  return seconds(days * 86400LL + more);
}

void Checks::certificate(const std::string& name, const std::string& path, const std::string& remedy) {
  const auto left = left_of(path);
  if (!left) return fail(name, "no certificate can be read from " + path, remedy);
  const std::string days = std::to_string(std::abs(left->count()) / 86400) + " days";
  if (left->count() < 0)
    fail(name, path + " expired " + days + " ago", remedy);
  else if (*left < kExpiresSoon)
    warn(name, path + " expires in " + days, remedy);
  else
    ok(name, path + " expires in " + days);
}

void Checks::certificates() {
  if (context_.control().tls.bind)
    certificate("certificate of the API", context_.control().tls.certificate,
                "renew it, then send envgate-control a SIGHUP");
  const auto nodes = read(context_, [](store::Transaction& t) -> Result<std::vector<store::Node>> {
    return store::list_nodes(t);
  });
  for (const store::Node& node : nodes ? *nodes : std::vector<store::Node>())
    certificate("certificate for node " + node.name, node.certificate,
                "have the node's authority sign a new one, at the same path");
}

void Checks::clock(const std::string& name, seconds away) {
  const seconds size(std::abs(away.count()));
  const std::string message = std::to_string(size.count()) + " s away from this machine's";
  const std::string remedy = "let NTP set the clocks: timedatectl set-ntp true";
  if (size <= kClockWarns)
    ok(name, message);
  else if (size <= kClockFails)
    warn(name, message, remedy);
  else
    fail(name, message, remedy);
}

void Checks::clocks() {
  for (const auto& [name, facts] : context_.nodes.facts())
    if (facts.time && name != "local")
      clock("clock of node " + name,
            *facts.time - std::chrono::time_point_cast<seconds>(std::chrono::system_clock::now()));
  for (const auto& [name, facts] : context_.machines.last_facts())
    if (facts.reachable) clock("clock of machine " + name, facts.clock_difference);
}

// Doors that should not be open to other machines. Only those of control's own machine are seen.
void Checks::listeners() {
  const std::vector<Endpoint> listening = listening_here();
  bool exposed = false;
  for (const Endpoint& one : listening) {
    if (is_loopback(one.address) || (one.port != kDockerPort && one.port != kRedisPort)) continue;
    exposed = true;
    if (one.port == kDockerPort)
      fail("exposed port " + one.to_string(),
           "it is that of a Docker engine without TLS: who reaches it is root on this machine",
           "let dockerd listen on its socket, or with --tlsverify on port 2376");
    else
      warn("exposed port " + one.to_string(), "it is Redis', open to other machines",
           "bind it to loopback, or give it requirepass and TLS, and a firewall");
  }
  const auto& metrics = context_.control().metrics.bind;
  if (metrics && !is_private(metrics->address)) {
    exposed = true;
    warn("exposed port " + metrics->to_string(), "control.metrics.bind tells everybody how things stand",
         "bind it to loopback or an inner address");
  }
  if (!exposed) ok("exposed ports", "none of Docker, Redis and metrics on this machine");
  taken_ports(listening);
}

// What listens in the ranges that are leased, and was not: the gateway could not open it for an environment.
void Checks::taken_ports(const std::vector<Endpoint>& listening) {
  const auto leased = read(context_, [](store::Transaction& t) -> Result<std::set<std::uint16_t>> {
    return store::leased_ports(t);
  });
  if (!leased) return;
  const auto& ranges = context_.control().ports;
  const auto within = [](const PortRange& range, std::uint16_t port) {
    return port >= range.first && port <= range.last;
  };
  std::set<std::uint16_t> taken;
  for (const Endpoint& one : listening)
    if ((within(ranges.ssh, one.port) || within(ranges.tcp, one.port)) && !leased->contains(one.port))
      taken.insert(one.port);
  if (taken.empty()) return;
  std::string some;
  for (auto port = taken.begin(); port != taken.end() && std::distance(taken.begin(), port) < 5; ++port)
    some += (some.empty() ? "" : ", ") + std::to_string(*port);
  warn("leased ports",
       std::to_string(taken.size()) + " of the ports that are leased belong to other programs: " + some,
       "ss -ltnp names them; move them, or choose other control.ports");
}

Response doctor(Context& context, const Request&) {
  return json_response(200, {{"time", timestamp_of(store::now_ms())}, {"checks", Checks(context).all()}});
}

}  // namespace

std::vector<Operation> doctor_operations() {
  return {{"GET", "/api/doctor", Role::read, doctor, "What an operator should look at"}};
}

}  // namespace envgate::control::api
