// Tickets and cookies: what opens an environment's private port, signed by whoever decides who may (the
// control plane) and checked by the gateways, which share a key of 32 bytes with it.
//
//   ticket   in a link, for minutes and once (whoever accepts it remembers its nonce until it expires)
//   cookie   what a browser gets for a ticket, for hours and any number of requests
//
// Both are text that a URL and a Cookie field carry as it is:
//
//   text    = "1." base64url(payload mac), without padding            the version, and what is below
//   payload = nonce[16] expires[8] port[2] environment[1 to 32]       numbers big-endian; seconds since 1970
//   mac     = HMAC-SHA256(key, purpose payload)
//   purpose = "envgate ticket 1\0" or "envgate cookie 1\0"            so that neither passes for the other
//
// There is exactly one text for a payload: other spellings of the same bits are refused.
//
// Pure but for read and make_file. Thread: any. Source: RFC 2104, RFC 4648 section 5.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "routing/names.hpp"

namespace envgate::routing {

class TicketKey {
 public:
  static constexpr std::size_t kSize = 32;
  using Bytes = std::array<unsigned char, kSize>;

  explicit TicketKey(const Bytes& bytes) : bytes_(bytes) {}

  // Errors: no file, not exactly 32 bytes, or open to others than its owner and group; each with its remedy.
  static Result<TicketKey> read(const std::string& path);
  // Makes a file of random bytes, mode 0640, where there is none; what is there stays. The key that is in
  // force then: of two that make one at a time, both get the winner's. Errors: as read, or not writable.
  static Result<TicketKey> make_file(const std::string& path);

  const Bytes& bytes() const { return bytes_; }
  bool operator==(const TicketKey&) const = default;

 private:
  Bytes bytes_;
};

// A ticket expires at most so far in the future; verify_ticket refuses any other. It bounds what a gateway
// has to remember of used ones.
inline constexpr std::chrono::minutes kLongestTicket{10};

using Nonce = std::array<unsigned char, 16>;

// What a good ticket or cookie says. Whether it is this environment and this port is the caller's to ask.
struct Ticket {
  EnvId env;
  std::uint16_t port = 0;  // the public one, which stands in the host name
  std::chrono::sys_seconds expires;
  Nonce nonce{};

  bool opens(const EnvId& other, std::uint16_t public_port) const {
    return env == other && port == public_port;
  }
};

// Why verify refuses, as Error::code: not signed by this key for this purpose (or no such text at all), past
// its time, or a ticket beyond kLongestTicket.
inline constexpr int kTicketBad = 1, kTicketExpired = 2, kTicketTooLong = 3;

// Requires: port > 0, an environment; `expires` within kLongestTicket of the gateways' clocks. No two are
// alike.
std::string sign_ticket(const TicketKey& key, const EnvId& env, std::uint16_t port,
                        std::chrono::sys_seconds expires);
std::string sign_cookie(const TicketKey& key, const EnvId& env, std::uint16_t port,
                        std::chrono::sys_seconds expires);

// `text` may be anything. Good until, not at, the second in which it expires.
Result<Ticket> verify_ticket(const TicketKey& key, std::string_view text, std::chrono::sys_seconds now);
Result<Ticket> verify_cookie(const TicketKey& key, std::string_view text, std::chrono::sys_seconds now);

}  // namespace envgate::routing
