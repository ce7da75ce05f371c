// The PROXY protocol's header, versions 1 and 2: what a load balancer in front of the gateway says of the
// client's address, before the connection's own first byte. Whether the peer may say so is the listener's
// decision (`proxy_protocol.trusted`); this only reads the bytes, strictly.
// Thread: any. Owns: nothing.
// Source: haproxy doc/proxy-protocol.txt, sections 2.1 and 2.2.
#pragma once

#include <cstddef>
#include <string_view>

#include "base/ip.hpp"

namespace envgate::net {

inline constexpr std::size_t kProxyV1Max = 107;         // with its CRLF
inline constexpr std::size_t kProxyV2Max = 16 + 4096;   // TLVs in the wild stay below 1 KiB

struct ProxyHeader {
  enum State : unsigned char { need_more, complete, invalid } state = need_more;
  std::size_t consumed = 0;  // where complete; the connection's own bytes begin behind it
  // False for LOCAL, UNKNOWN and AF_UNSPEC: the connection's own addresses hold (a health check).
  bool has_addresses = false;
  Endpoint source, destination;
  std::string_view reason;  // where invalid: a literal in snake_case
};

// Requires: `bytes` begins at the connection's first byte. A client that sends no header at all is found out
// at its first byte that differs from both signatures, and never waited for.
ProxyHeader parse_proxy_header(std::string_view bytes);

}  // namespace envgate::net
