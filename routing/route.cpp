#include "routing/route.hpp"

#include <algorithm>

namespace envgate::routing {

class SharedServices {
 public:
  explicit SharedServices(Services&& services) : value(std::move(services)) {}
  void retain() const { references_.fetch_add(1, std::memory_order_relaxed); }
  void release() const {
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }
  bool shared() const { return references_.load(std::memory_order_acquire) > 1; }

  const Services value;

 private:
  mutable std::atomic<std::uint32_t> references_{1};
};

namespace {

// FNV-1a over whatever tells services apart; equality decides in the end.
class Fingerprint {
 public:
  void add(std::uint64_t word) { hash_ = (hash_ ^ word) * 0x100000001b3ULL; }
  void add(std::string_view text) {
    add(text.size());
    for (const char c : text) add(static_cast<unsigned char>(c));
  }
  std::uint64_t value() const { return hash_; }

 private:
  std::uint64_t hash_ = 0xcbf29ce484222325ULL;
};

std::uint64_t fingerprint(const Services& services) {
  Fingerprint hash;
  hash.add(services.http_declared);
  for (const HttpPort& http : services.http) hash.add(http.port | std::uint64_t{http.target_port} << 16);
  for (const TcpPort& tcp : services.tcp) hash.add(tcp.listen_port | std::uint64_t{tcp.target_port} << 16);
  for (const Cidr& network : services.allow_from) hash.add(network.to_string());
  for (const SshUser& user : services.ssh_users) {
    hash.add(user.name);
    hash.add(user.totp);
    for (const std::string& key : user.authorized_keys) hash.add(key);
  }
  for (const std::string& key : services.ssh_host_keys) hash.add(key);
  hash.add(services.limits.connections);
  hash.add(services.limits.requests_per_second);
  hash.add(services.limits.bandwidth);
  hash.add(services.ssh_forbid | std::uint64_t{services.ssh_record_input} << 16 |
           std::uint64_t{services.wake} << 17);
  hash.add(services.ssh_force_command);
  hash.add(services.owner);
  return hash.value();
}

const SharedServices* no_services() {  // what most routes have: one object for ever
  static const auto* none = new SharedServices(Services{});
  none->retain();
  return none;
}

}  // namespace

std::string_view to_string(Kind kind) {
  constexpr std::string_view names[] = {"physical", "container", "vm", "pod"};
  return names[static_cast<std::size_t>(kind)];
}

std::string_view to_string(State state) {
  constexpr std::string_view names[] = {"starting", "running", "stopping", "stopped", "error"};
  return names[static_cast<std::size_t>(state)];
}

std::string_view to_string(SshForbid what) {
  constexpr std::string_view names[] = {
      "agent", "x11", "local_forwarding", "remote_forwarding", "unix_forwarding", "sftp", "exec",
      "shell", "pty"};
  static_assert(std::size(names) == kSshForbids);
  return names[static_cast<std::size_t>(what)];
}

std::string_view to_string(SshMode mode) { return mode == SshMode::audited ? "audited" : "passthrough"; }
std::string_view to_string(Scheme scheme) { return scheme == Scheme::https ? "https" : "http"; }
std::string_view to_string(Access access) { return access == Access::restricted ? "private" : "public"; }

const HttpPort* Services::find_http(std::uint16_t port) const {
  const auto found =
      std::find_if(http.begin(), http.end(), [&](const HttpPort& entry) { return entry.port == port; });
  return found == http.end() ? nullptr : &*found;
}

const TcpPort* Services::find_tcp(std::uint16_t listen_port) const {
  const auto found = std::find_if(tcp.begin(), tcp.end(),
                                  [&](const TcpPort& entry) { return entry.listen_port == listen_port; });
  return found == tcp.end() ? nullptr : &*found;
}

ServicesPool::~ServicesPool() {
  for (const auto& [hash, services] : entries_) services->release();
}

const SharedServices* ServicesPool::intern(Services&& services) {
  const std::uint64_t hash = fingerprint(services);
  const auto [first, last] = entries_.equal_range(hash);
  for (auto entry = first; entry != last; ++entry) {
    if (entry->second->value == services) {
      entry->second->retain();
      return entry->second;
    }
  }
  const auto* shared = new SharedServices(std::move(services));
  entries_.emplace(hash, shared);
  shared->retain();
  return shared;
}

void ServicesPool::sweep() {
  for (auto entry = entries_.begin(); entry != entries_.end();) {
    if (entry->second->shared()) {
      ++entry;
    } else {
      entry->second->release();
      entry = entries_.erase(entry);
    }
  }
}

RoutePtr Route::make(RouteSpec spec, ServicesPool* pool) {
  const SharedServices* services = nullptr;
  if (spec.services == Services{}) {
    services = no_services();
  } else if (pool) {
    services = pool->intern(std::move(spec.services));
  } else {
    services = new SharedServices(std::move(spec.services));
  }
  return RoutePtr(new Route(spec, services, false));
}

Route::Route(const RouteSpec& spec, const SharedServices* services, bool refused)
    : env(spec.env),
      generation(spec.generation),
      address(spec.address),
      ssh(spec.ssh),
      kind(spec.kind),
      state(spec.state),
      port_refused(refused),
      created(spec.created),
      services_(services) {}

Route::~Route() { services_->release(); }

const Services& Route::services() const { return services_->value; }

bool Route::same_content(const Route& other) const {
  return env == other.env && generation == other.generation && address == other.address && ssh == other.ssh &&
         kind == other.kind && state == other.state && created == other.created &&
         (services_ == other.services_ || services_->value == other.services_->value);
}

RouteSpec Route::spec() const {
  RouteSpec spec;
  spec.env = env;
  spec.generation = generation;
  spec.kind = kind;
  spec.state = state;
  spec.address = address;
  spec.ssh = ssh;
  spec.created = created;
  spec.services = services();
  return spec;
}

RoutePtr without_ports(const Route& route, bool ssh, const std::vector<std::uint16_t>& tcp) {
  RouteSpec spec = route.spec();
  if (ssh) spec.ssh.listen_port = 0;
  const std::size_t removed = std::erase_if(spec.services.tcp, [&](const TcpPort& entry) {
    return std::find(tcp.begin(), tcp.end(), entry.listen_port) != tcp.end();
  });
  const SharedServices* services = route.services_;
  if (removed == 0) {
    services->retain();
  } else {
    services = new SharedServices(std::move(spec.services));
  }
  return RoutePtr(new Route(spec, services, true));
}

static_assert(sizeof(Route) <= 88, "a million routes must fit in memory: keep the rare parts in Services");

}  // namespace envgate::routing
