// Names that customers type, turned into keys: environment ids and the public host names
//
//   <env>.ssh.<domain>                  a terminal
//   <env>-<port>.container.<domain>     a web application's port
//
// Everything here is a value, never allocates while parsing, and may be used on any thread.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace envgate::routing {

// An environment's id: 1 to 32 of [a-z0-9], inline and padded with zeros, so that equality is four words.
class EnvId {
 public:
  static constexpr std::size_t kMaxSize = 32;

  EnvId() = default;  // the empty id, which no environment has
  // Nothing unless `text` is exactly of the form above (upper case is not).
  static std::optional<EnvId> parse(std::string_view text);
  // The same, with upper case folded: for host and user names, which people type.
  static std::optional<EnvId> parse_folded(std::string_view text);

  bool empty() const { return bytes_[0] == '\0'; }
  std::string_view view() const {
    const void* end = std::memchr(bytes_.data(), '\0', kMaxSize);
    return {bytes_.data(),
            end ? static_cast<std::size_t>(static_cast<const char*>(end) - bytes_.data()) : kMaxSize};
  }
  std::string str() const { return std::string(view()); }

  // Seeded once per process: a peer cannot choose ids that collide.
  std::uint64_t hash() const;

  bool operator==(const EnvId& other) const {
    return std::memcmp(bytes_.data(), other.bytes_.data(), kMaxSize) == 0;
  }
  auto operator<=>(const EnvId& other) const { return bytes_ <=> other.bytes_; }

 private:
  std::array<char, kMaxSize> bytes_{};
};

struct HostName {
  enum class Kind : std::uint8_t { container, ssh };
  Kind kind = Kind::container;
  EnvId env;
  std::uint16_t port = 0;  // the public port of a container name; 0 for ssh

  bool operator==(const HostName&) const = default;
};

// The setting `domain`, and the names below it.
class Domain {
 public:
  // Errors: not a host name of letters, digits and hyphens, or so long that names below it would not fit (RFC
  // 1035).
  static Result<Domain> make(std::string_view domain);

  // Any case, at most one trailing dot, no port. Nothing for every other name, the domain itself included.
  std::optional<HostName> parse(std::string_view host) const;

  std::string ssh_host(const EnvId& env) const;
  std::string container_host(const EnvId& env, std::uint16_t port) const;
  const std::string& name() const { return name_; }

 private:
  std::string name_;              // lower case, no trailing dot
  std::string container_suffix_;  // ".container.<domain>"
  std::string ssh_suffix_;        // ".ssh.<domain>"
};

// A decimal port, 1 to 65535, without sign, space or leading zero.
std::optional<std::uint16_t> parse_port(std::string_view text);

}  // namespace envgate::routing

template <>
struct std::hash<envgate::routing::EnvId> {
  std::size_t operator()(const envgate::routing::EnvId& id) const noexcept { return id.hash(); }
};
