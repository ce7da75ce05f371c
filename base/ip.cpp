#include "base/ip.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "base/check.hpp"

namespace envgate {
namespace {

constexpr std::array<std::uint8_t, 12> kV4Prefix = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

Result<std::uint16_t> parse_port(std::string_view text) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value > 65535)
    return fail("'" + std::string(text) + "' is not a port (0 to 65535)");
  return static_cast<std::uint16_t>(value);
}

}  // namespace

Result<IpAddress> IpAddress::parse(std::string_view text) {
  char buffer[INET6_ADDRSTRLEN];
  // A NUL inside would end the text for inet_pton and let anything follow it.
  if (text.empty() || text.size() >= sizeof(buffer) || text.find('\0') != text.npos)
    return fail("'" + std::string(text) + "' is not an IP address");
  std::memcpy(buffer, text.data(), text.size());
  buffer[text.size()] = 0;
  in_addr four;
  if (inet_pton(AF_INET, buffer, &four) == 1) return v4(ntohl(four.s_addr));
  IpAddress address;
  if (inet_pton(AF_INET6, buffer, address.bytes_.data()) == 1) return address;
  return fail("'" + std::string(text) + "' is not an IP address");
}

IpAddress IpAddress::v4(std::uint32_t host_order) {
  IpAddress address;
  std::copy(kV4Prefix.begin(), kV4Prefix.end(), address.bytes_.begin());
  for (int i = 0; i < 4; ++i) address.bytes_[12 + i] = static_cast<std::uint8_t>(host_order >> (24 - 8 * i));
  return address;
}

bool IpAddress::is_v4() const { return std::equal(kV4Prefix.begin(), kV4Prefix.end(), bytes_.begin()); }

std::string IpAddress::to_string() const {
  char buffer[INET6_ADDRSTRLEN];
  if (is_v4()) inet_ntop(AF_INET, bytes_.data() + 12, buffer, sizeof(buffer));
  else inet_ntop(AF_INET6, bytes_.data(), buffer, sizeof(buffer));
  return buffer;
}

Result<Endpoint> Endpoint::parse(std::string_view text) {
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return fail("'" + std::string(text) + "' is not host:port");
  auto port = parse_port(text.substr(colon + 1));
  if (!port) return tl::unexpected(port.error());
  std::string_view host = text.substr(0, colon);
  if (host.empty() || host == "*") return Endpoint{IpAddress(), *port};
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  else if (host.find(':') != std::string_view::npos)
    return fail("'" + std::string(text) + "': write an IPv6 address in brackets, as [::1]:443");
  auto address = IpAddress::parse(host);
  if (!address) return tl::unexpected(address.error());
  return Endpoint{*address, *port};
}

Endpoint Endpoint::from_sockaddr(const sockaddr_storage& address) {
  if (address.ss_family == AF_INET) {
    const auto& in = reinterpret_cast<const sockaddr_in&>(address);
    return {IpAddress::v4(ntohl(in.sin_addr.s_addr)), ntohs(in.sin_port)};
  }
  CHECK(address.ss_family == AF_INET6);
  const auto& in = reinterpret_cast<const sockaddr_in6&>(address);
  std::array<std::uint8_t, 16> bytes;
  std::memcpy(bytes.data(), &in.sin6_addr, 16);
  return {IpAddress::from_bytes(bytes), ntohs(in.sin6_port)};
}

unsigned Endpoint::to_sockaddr(sockaddr_storage& out) const {
  std::memset(&out, 0, sizeof(out));
  if (address.is_v4()) {
    auto& in = reinterpret_cast<sockaddr_in&>(out);
    in.sin_family = AF_INET;
    in.sin_port = htons(port);
    std::memcpy(&in.sin_addr, address.bytes().data() + 12, 4);
    return sizeof(sockaddr_in);
  }
  auto& in = reinterpret_cast<sockaddr_in6&>(out);
  in.sin6_family = AF_INET6;
  in.sin6_port = htons(port);
  std::memcpy(&in.sin6_addr, address.bytes().data(), 16);
  return sizeof(sockaddr_in6);
}

std::string Endpoint::to_string() const {
  const std::string host = address.to_string();
  return (address.is_v4() ? host : "[" + host + "]") + ":" + std::to_string(port);
}

Result<Cidr> Cidr::parse(std::string_view text) {
  const auto slash = text.find('/');
  auto address = IpAddress::parse(text.substr(0, slash));
  if (!address) return tl::unexpected(address.error());
  const bool v4 = address->is_v4() && text.find(':') == std::string_view::npos;
  const unsigned widest = v4 ? 32 : 128;
  unsigned prefix = widest;
  if (slash != std::string_view::npos) {
    const std::string_view digits = text.substr(slash + 1);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), prefix);
    if (error != std::errc() || end != digits.data() + digits.size() || prefix > widest)
      return fail("'" + std::string(text) + "': the prefix length must be 0 to " + std::to_string(widest));
  }
  Cidr cidr;
  cidr.network_ = *address;
  cidr.prefix_ = static_cast<std::uint8_t>(prefix + 128 - widest);
  for (unsigned bit = cidr.prefix_; bit < 128; ++bit)
    if (address->bytes()[bit / 8] & (0x80u >> (bit % 8)))
      return fail("'" + std::string(text) + "' has host bits set; write the network's own address");
  return cidr;
}

bool Cidr::contains(const IpAddress& address) const {
  const unsigned whole = prefix_ / 8, rest = prefix_ % 8;
  if (!std::equal(network_.bytes().begin(), network_.bytes().begin() + whole, address.bytes().begin()))
    return false;
  if (rest == 0) return true;
  const auto mask = static_cast<std::uint8_t>(0xff00u >> rest);
  return (network_.bytes()[whole] & mask) == (address.bytes()[whole] & mask);
}

std::string Cidr::to_string() const {
  const bool v4 = network_.is_v4() && prefix_ >= 96;
  return network_.to_string() + "/" + std::to_string(v4 ? prefix_ - 96 : prefix_);
}

bool any_contains(const std::vector<Cidr>& networks, const IpAddress& address) {
  return std::any_of(networks.begin(), networks.end(),
                     [&](const Cidr& cidr) { return cidr.contains(address); });
}

}  // namespace envgate
