// IP addresses, endpoints and networks as values: parsed strictly, compared in binary, never resolved by
// name. Immutable and usable on any thread; nothing here allocates but the to_string functions.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

struct sockaddr;
struct sockaddr_storage;

namespace envgate {

// An IPv4 or IPv6 address. IPv4 is kept in its v4-mapped form (::ffff:a.b.c.d), and an IPv6 literal in that
// form *is* the IPv4 address, so that the two spellings cannot be used to get around a rule.
class IpAddress {
 public:
  IpAddress() = default;  // "::"
  // Errors: anything but a dotted quad or an RFC 4291 literal; zone ids are refused.
  static Result<IpAddress> parse(std::string_view text);
  static IpAddress v4(std::uint32_t host_order);
  static IpAddress from_bytes(const std::array<std::uint8_t, 16>& bytes) { return IpAddress(bytes); }

  bool is_v4() const;
  const std::array<std::uint8_t, 16>& bytes() const { return bytes_; }
  std::string to_string() const;
  auto operator<=>(const IpAddress&) const = default;

 private:
  explicit IpAddress(const std::array<std::uint8_t, 16>& bytes) : bytes_(bytes) {}
  std::array<std::uint8_t, 16> bytes_{};
};

struct Endpoint {
  IpAddress address;
  std::uint16_t port = 0;

  // "1.2.3.4:80", "[::1]:80", and ":80" or "*:80" for every address (the IPv6 wildcard, dual stack).
  static Result<Endpoint> parse(std::string_view text);
  // AF_INET and AF_INET6 only; CHECKs otherwise.
  static Endpoint from_sockaddr(const sockaddr_storage& address);
  // Fills `out` and returns its length.
  unsigned to_sockaddr(sockaddr_storage& out) const;
  std::string to_string() const;
  auto operator<=>(const Endpoint&) const = default;
};

// A network in CIDR form; a bare address is that one host. Host bits must be zero.
class Cidr {
 public:
  static Result<Cidr> parse(std::string_view text);
  bool contains(const IpAddress& address) const;
  std::string to_string() const;
  auto operator<=>(const Cidr&) const = default;

 private:
  IpAddress network_;
  std::uint8_t prefix_ = 128;  // in bits of the v4-mapped form: an IPv4 /8 is 104
};

bool any_contains(const std::vector<Cidr>& networks, const IpAddress& address);

}  // namespace envgate
