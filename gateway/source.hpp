// Who a connection is counted against: an IPv4 address, or an IPv6 /64, the smallest network that a customer
// is given (RFC 6177). Thread: any.
#pragma once

#include <algorithm>

#include "base/ip.hpp"

namespace envgate::gateway {

inline IpAddress source_of(const IpAddress& peer) {
  if (peer.is_v4()) return peer;
  auto bytes = peer.bytes();
  std::fill(bytes.begin() + 8, bytes.end(), std::uint8_t{0});
  return IpAddress::from_bytes(bytes);
}

}  // namespace envgate::gateway
