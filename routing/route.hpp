// A route: where an environment is, and what may reach it. Immutable once made, shared by counted pointers,
// and kept small (88 bytes, with what seldom differs in a shared `Services`), since a gateway may hold a
// million. Thread: any may read a Route and copy a RoutePtr.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/ip.hpp"
#include "routing/names.hpp"

namespace envgate::routing {

enum class Kind : std::uint8_t { physical, container, vm, pod };
enum class State : std::uint8_t { starting, running, stopping, stopped, error };
enum class SshMode : std::uint8_t { passthrough, audited };
enum class Scheme : std::uint8_t { http, https };
enum class Access : std::uint8_t { open, restricted };  // "public" and "private" in text

std::string_view to_string(Kind kind);
std::string_view to_string(State state);
std::string_view to_string(SshMode mode);
std::string_view to_string(Scheme scheme);
std::string_view to_string(Access access);

struct HttpPort {
  std::uint16_t port = 0;  // in the public host name
  std::uint16_t target_port = 0;
  Scheme scheme = Scheme::http;  // how the target speaks
  Access access = Access::open;
  bool operator==(const HttpPort&) const = default;
};

struct TcpPort {
  std::uint16_t listen_port = 0;
  std::uint16_t target_port = 0;
  std::string service;  // rdp, vnc, ...; "tcp" where nothing was said
  bool operator==(const TcpPort&) const = default;
};

struct Limits {  // 0: no limit of its own
  std::uint32_t connections = 0;
  std::uint32_t requests_per_second = 0;
  std::uint64_t bandwidth = 0;  // bytes a second, each way
  bool operator==(const Limits&) const = default;
};

// What may be forbidden in an audited session, each a bit in Services::ssh_forbid: 1 << its place here.
enum class SshForbid : std::uint8_t {
  agent,
  x11,
  local_forwarding,
  remote_forwarding,
  unix_forwarding,
  sftp,
  exec,
  shell,
  pty,
};
inline constexpr std::size_t kSshForbids = 9;
std::string_view to_string(SshForbid what);
constexpr std::uint16_t bit_of(SshForbid what) {
  return static_cast<std::uint16_t>(1u << static_cast<unsigned>(what));
}

// Who may log in through an audited session, as the source said; never a password in clear.
struct SshUser {
  std::string name;
  std::string verifier;                      // a password hash in crypt(3) form, or empty
  std::vector<std::string> authorized_keys;  // "ssh-ed25519 AAAA... comment"
  bool totp = false;                         // a one-time code is asked for, too; control checks it
  bool operator==(const SshUser&) const = default;
};

// What a target offers beyond its one ssh port.
struct Services {
  std::vector<HttpPort> http;  // empty: the gateway's default ports apply
  bool http_declared = false;  // the source gave a list, even an empty one: nothing but it may be reached
  std::vector<TcpPort> tcp;
  std::vector<Cidr> allow_from;  // empty: from anywhere
  Limits limits;
  std::vector<SshUser> ssh_users;
  std::vector<std::string> ssh_host_keys;  // what the target must show in an audited session
  std::uint16_t ssh_forbid = 0;            // bits of SshForbid
  bool ssh_record_input = false;           // what the customer types is recorded, too
  std::string ssh_force_command;           // run in place of whatever is asked for; empty: none
  bool wake = false;                       // it does not run; control starts it when somebody comes
  std::string owner;                       // for records; empty: the source named none

  bool allows(const IpAddress& client) const {
    return allow_from.empty() || any_contains(allow_from, client);
  }
  bool forbids(SshForbid what) const { return (ssh_forbid & bit_of(what)) != 0; }
  bool operator==(const Services&) const = default;

  const HttpPort* find_http(std::uint16_t port) const;
  const TcpPort* find_tcp(std::uint16_t listen_port) const;
};

struct SshEntry {
  std::uint16_t listen_port = 0;  // 0: none
  std::uint16_t target_port = 22;
  SshMode mode = SshMode::passthrough;
  bool operator==(const SshEntry&) const = default;
};

// A route while it is being made: plain data.
struct RouteSpec {
  EnvId env;
  std::uint64_t generation = 0;  // 0: written by the seed's four keys, which have none
  Kind kind = Kind::container;
  State state = State::running;
  IpAddress address;
  SshEntry ssh;
  std::uint32_t created = 0;  // seconds since 1970, 0 if unknown: settles who was first at a port
  Services services;
};

class SharedServices;  // a Services with a count, in route.cpp

// Shares equal `Services` between routes. Thread: one, the routing thread.
class ServicesPool {
 public:
  ServicesPool() = default;
  ServicesPool(const ServicesPool&) = delete;
  ServicesPool& operator=(const ServicesPool&) = delete;
  ~ServicesPool();
  // Owns: the caller gets one count.
  const SharedServices* intern(Services&& services);
  // Forgets those that no route uses any more. Called now and then.
  void sweep();
  std::size_t size() const { return entries_.size(); }

 private:
  std::unordered_multimap<std::uint64_t, const SharedServices*> entries_;
};

class RoutePtr;

class Route {
 public:
  // `pool` may be null: then the services are not shared.
  static RoutePtr make(RouteSpec spec, ServicesPool* pool = nullptr);
  Route(const Route&) = delete;
  Route& operator=(const Route&) = delete;

  const EnvId env;
  const std::uint64_t generation;
  const IpAddress address;
  const SshEntry ssh;
  const Kind kind;
  const State state;
  const bool port_refused;  // another environment holds a port that this one declared: it was left out
  const std::uint32_t created;

  const Services& services() const;
  // Everything that matters to a client is equal (not `port_refused`, which follows from other routes).
  bool same_content(const Route& other) const;
  // The source named no address, as it may for an environment that does not run: nothing may connect there.
  bool nowhere() const { return state != State::running && address == IpAddress(); }
  RouteSpec spec() const;
  Endpoint ssh_target() const { return {address, ssh.target_port}; }

  // For the routing thread alone: which pass over the source last saw this route.
  mutable std::uint32_t mark = 0;

 private:
  friend class RoutePtr;
  friend class RouteTable;
  friend RoutePtr without_ports(const Route& route, bool ssh, const std::vector<std::uint16_t>& tcp);
  Route(const RouteSpec& spec, const SharedServices* services, bool refused);
  ~Route();
  void retain() const { references_.fetch_add(1, std::memory_order_relaxed); }
  void release() const {
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }
  mutable std::atomic<std::uint32_t> references_{0};
  const SharedServices* services_;
};

// A counted pointer to a const Route.
class RoutePtr {
 public:
  RoutePtr() = default;
  // Requires: `route` is alive now, such as one just found by an online Reader.
  explicit RoutePtr(const Route* route) : route_(route) {
    if (route_) route_->retain();
  }
  RoutePtr(const RoutePtr& other) : RoutePtr(other.route_) {}
  RoutePtr(RoutePtr&& other) noexcept : route_(std::exchange(other.route_, nullptr)) {}
  RoutePtr& operator=(RoutePtr other) noexcept {
    std::swap(route_, other.route_);
    return *this;
  }
  ~RoutePtr() {
    if (route_) route_->release();
  }

  const Route* get() const { return route_; }
  const Route* operator->() const { return route_; }
  const Route& operator*() const { return *route_; }
  explicit operator bool() const { return route_ != nullptr; }

 private:
  const Route* route_ = nullptr;
};

// The same route with its ssh port, and those tcp listening ports, left out: what is served while another
// environment holds them.
RoutePtr without_ports(const Route& route, bool ssh, const std::vector<std::uint16_t>& tcp);

}  // namespace envgate::routing
