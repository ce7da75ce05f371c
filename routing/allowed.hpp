// Which addresses a route may name. Targets are strangers and so is whoever can write a route: without this
// check one Redis key would turn the gateway into a way to the machine's own services or to a cloud's
// metadata server. Thread: immutable; any.
#pragma once

#include <string>
#include <vector>

#include "base/ip.hpp"
#include "base/result.hpp"

namespace envgate::routing {

class AllowedTargets {
 public:
  // RFC 1918, 100.64.0.0/10 (RFC 6598) and fc00::/7 (RFC 4193).
  static std::vector<Cidr> defaults();
  // The addresses of this machine's interfaces, without loopback.
  static std::vector<IpAddress> own_addresses();

  explicit AllowedTargets(std::vector<Cidr> allowed = defaults(),
                          std::vector<IpAddress> own = own_addresses());

  // Loopback, link-local, multicast, unspecified, broadcast, metadata and own addresses need an entry that
  // names them: one that lies inside that special network ("127.0.0.0/8"), or, for a single special address,
  // that very address. A wider entry such as 0.0.0.0/0 does not let them in. Errors: says which rule refused
  // the address, and what to list to allow it.
  Result<void> check(const IpAddress& address) const;

 private:
  bool named(const IpAddress& address, const Cidr& within) const;

  std::vector<Cidr> allowed_;
  std::vector<IpAddress> own_;
};

}  // namespace envgate::routing
