#include "control/api/listening.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>

namespace envgate::control::api {
namespace {

constexpr std::string_view kListen = "0A";

std::string_view take_word(std::string_view& line) {
  line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
  const std::string_view word = line.substr(0, line.find(' '));
  line.remove_prefix(word.size());
  return word;
}

std::optional<std::uint32_t> hex(std::string_view text) {
  std::uint32_t value = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  if (read.ec != std::errc() || read.ptr != text.data() + text.size()) return std::nullopt;
  return value;
}

// "0100007F:1F90": words of 32 bits as this machine keeps them in memory, which are in network order.
std::optional<Endpoint> endpoint_of(std::string_view text) {
  const auto colon = text.find(':');
  const std::string_view words = text.substr(0, colon);
  if (colon == std::string_view::npos || (words.size() != 8 && words.size() != 32)) return std::nullopt;
  const auto port = hex(text.substr(colon + 1));
  std::array<std::uint8_t, 16> bytes{};
  if (words.size() == 8) bytes[10] = bytes[11] = 0xFF;  // v4-mapped
  for (std::size_t i = 0; i < words.size() / 8; ++i) {
    const auto word = hex(words.substr(i * 8, 8));
    if (!word) return std::nullopt;
    for (std::size_t k = 0; k < 4; ++k)
      bytes[(words.size() == 8 ? 12 : i * 4) + k] = static_cast<std::uint8_t>(*word >> (8 * k));
  }
  if (!port || *port > 65535) return std::nullopt;
  return Endpoint{IpAddress::from_bytes(bytes), static_cast<std::uint16_t>(*port)};
}

bool is_any(const IpAddress& address) { return address == IpAddress() || address == IpAddress::v4(0); }

bool within(const IpAddress& address, std::initializer_list<std::string_view> networks) {
  return std::any_of(networks.begin(), networks.end(), [&](std::string_view text) {
    const auto network = Cidr::parse(text);
    return network && network->contains(address);
  });
}

}  // namespace

std::vector<Endpoint> parse_listening(std::string_view table) {
  std::vector<Endpoint> all;
  while (!table.empty()) {
    std::string_view line = table.substr(0, table.find('\n'));
    table.remove_prefix(std::min(line.size() + 1, table.size()));
    take_word(line);  // its number
    const std::string_view local = take_word(line);
    take_word(line);  // the peer
    if (take_word(line) != kListen) continue;
    if (const auto endpoint = endpoint_of(local)) all.push_back(*endpoint);
  }
  return all;
}

std::vector<Endpoint> listening_here() {
  std::vector<Endpoint> all;
  for (const char* path : {"/proc/net/tcp", "/proc/net/tcp6"}) {
    std::ifstream file(path);
    const std::string table{std::istreambuf_iterator<char>(file), {}};
    const auto some = parse_listening(table);
    all.insert(all.end(), some.begin(), some.end());
  }
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  return all;
}

bool is_loopback(const IpAddress& address) { return within(address, {"127.0.0.0/8", "::1/128"}); }

bool is_private(const IpAddress& address) {
  return !is_any(address) &&
         within(address, {"127.0.0.0/8", "::1/128", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16",
                          "100.64.0.0/10", "169.254.0.0/16", "fe80::/10", "fc00::/7"});
}

}  // namespace envgate::control::api
