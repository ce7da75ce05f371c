#include "routing/allowed.hpp"

#include <ifaddrs.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>

#include "base/check.hpp"

namespace envgate::routing {
namespace {

struct Special {
  Cidr network;
  const char* what;
};

Cidr network(const char* text) {
  auto parsed = Cidr::parse(text);
  CHECK(parsed.has_value());
  return *parsed;
}

const std::vector<Special>& specials() {
  static const std::vector<Special> list = {
      {network("127.0.0.0/8"), "a loopback address"},
      {network("::1"), "a loopback address"},
      {network("0.0.0.0/8"), "an unspecified address"},  // "this network", RFC 1122; Linux connects to itself
      {network("::"), "an unspecified address"},
      {network("169.254.169.254"), "a cloud's metadata server"},  // AWS and most others
      {network("fd00:ec2::254"), "a cloud's metadata server"},
      {network("fd20:ce::254"), "a cloud's metadata server"},
      {network("100.100.100.200"), "a cloud's metadata server"},
      {network("168.63.129.16"), "a cloud's metadata server"},
      {network("169.254.0.0/16"), "a link-local address"},
      {network("fe80::/10"), "a link-local address"},
      {network("224.0.0.0/4"), "a multicast address"},
      {network("ff00::/8"), "a multicast address"},
      {network("255.255.255.255"), "the broadcast address"},
  };
  return list;
}

// True if every address of `inner` is in `outer`. A Cidr is either disjoint from another or nested in it, so
// the first address and the shorter prefix decide; the text form is the only place where both are to be had.
bool lies_within(const Cidr& inner, const Cidr& outer) {
  const auto split = [](const Cidr& cidr) {
    const std::string text = cidr.to_string();
    const std::size_t slash = text.find('/');
    const auto address = IpAddress::parse(text.substr(0, slash));
    CHECK(address.has_value());
    const int full = address->is_v4() ? 32 : 128;
    const int prefix = slash == std::string::npos ? full : std::stoi(text.substr(slash + 1));
    return std::pair(*address, prefix + 128 - full);
  };
  const auto [first, inner_prefix] = split(inner);
  return outer.contains(first) && inner_prefix >= split(outer).second;
}

std::string remedy(const IpAddress& address) {
  return "; to allow it, list " + address.to_string() + " (or its network) in routes.allowed_targets";
}

}  // namespace

std::vector<Cidr> AllowedTargets::defaults() {
  return {network("10.0.0.0/8"), network("172.16.0.0/12"), network("192.168.0.0/16"),
          network("100.64.0.0/10"), network("fc00::/7")};
}

std::vector<IpAddress> AllowedTargets::own_addresses() {
  std::vector<IpAddress> own;
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) return own;
  for (const ifaddrs* entry = list; entry; entry = entry->ifa_next) {
    if (!entry->ifa_addr) continue;
    const int family = entry->ifa_addr->sa_family;
    if (family != AF_INET && family != AF_INET6) continue;
    sockaddr_storage storage{};
    std::memcpy(&storage, entry->ifa_addr, family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6));
    const IpAddress address = Endpoint::from_sockaddr(storage).address;
    const bool loopback = specials()[0].network.contains(address) || specials()[1].network.contains(address);
    if (!loopback && std::find(own.begin(), own.end(), address) == own.end()) own.push_back(address);
  }
  ::freeifaddrs(list);
  std::sort(own.begin(), own.end());
  return own;
}

AllowedTargets::AllowedTargets(std::vector<Cidr> allowed, std::vector<IpAddress> own)
    : allowed_(std::move(allowed)), own_(std::move(own)) {}

bool AllowedTargets::named(const IpAddress& address, const Cidr& within) const {
  return std::any_of(allowed_.begin(), allowed_.end(), [&](const Cidr& entry) {
    return entry.contains(address) && lies_within(entry, within);
  });
}

Result<void> AllowedTargets::check(const IpAddress& address) const {
  for (const Special& special : specials()) {
    if (!special.network.contains(address)) continue;
    if (named(address, special.network)) return {};
    return fail("address " + address.to_string() + " is " + special.what + remedy(address));
  }
  if (std::binary_search(own_.begin(), own_.end(), address)) {
    const auto host = Cidr::parse(address.to_string());
    if (host && named(address, *host)) return {};
    return fail("address " + address.to_string() +
                " is one of this gateway's own; to allow it, list exactly " + address.to_string() +
                " in routes.allowed_targets");
  }
  if (any_contains(allowed_, address)) return {};
  return fail("address " + address.to_string() + " is in none of the networks of routes.allowed_targets" +
              remedy(address));
}

}  // namespace envgate::routing
