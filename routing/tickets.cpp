#include "routing/tickets.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <algorithm>

#include "base/check.hpp"

namespace envgate::routing {
namespace {

using std::chrono::sys_seconds;

constexpr std::string_view kVersion = "1.";
// The NUL belongs to them: no purpose is the beginning of another.
constexpr std::string_view kTicketPurpose{"envgate ticket 1", 17};
constexpr std::string_view kCookiePurpose{"envgate cookie 1", 17};

constexpr std::size_t kNonceSize = std::tuple_size_v<Nonce>;
constexpr std::size_t kMacSize = 32;
constexpr std::size_t kFixed = kNonceSize + 8 + 2;  // nonce, expiry, port
constexpr std::size_t kLeast = kFixed + 1 + kMacSize;
constexpr std::size_t kMost = kFixed + EnvId::kMaxSize + kMacSize;

constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

using Mac = std::array<unsigned char, kMacSize>;

Mac mac_of(const TicketKey& key, std::string_view purpose, std::string_view payload) {
  std::array<unsigned char, 64 + kMost> message;
  CHECK(purpose.size() + payload.size() <= message.size());
  unsigned char* const end = std::copy(purpose.begin(), purpose.end(), message.data());
  const unsigned char* const last = std::copy(payload.begin(), payload.end(), end);
  Mac mac;
  unsigned size = 0;
  CHECK(HMAC(EVP_sha256(), key.bytes().data(), static_cast<int>(TicketKey::kSize), message.data(),
             static_cast<std::size_t>(last - message.data()), mac.data(), &size) != nullptr);
  CHECK(size == kMacSize);
  return mac;
}

void append_base64url(std::string& out, std::string_view bytes) {
  std::uint32_t bits = 0;
  int held = 0;
  for (const char byte : bytes) {
    bits = (bits << 8) | static_cast<unsigned char>(byte);
    for (held += 8; held >= 6; held -= 6) out += kDigits[(bits >> (held - 6)) & 63];
  }
  if (held > 0) out += kDigits[(bits << (6 - held)) & 63];
}

// False where `text` is not exactly what append_base64url would have written.
bool decode_base64url(std::string_view text, std::string& out) {
  std::uint32_t bits = 0;
  int held = 0;
  for (const char digit : text) {
    const std::size_t value = kDigits.find(digit);
    if (value == std::string_view::npos) return false;
    bits = (bits << 6) | static_cast<std::uint32_t>(value);
    held += 6;
    if (held < 8) continue;
    held -= 8;
    out += static_cast<char>(bits >> held);
  }
  return held < 6 && (bits & ((1u << held) - 1)) == 0;
}

void append_number(std::string& out, std::uint64_t value, int bytes) {
  while (bytes-- > 0) out += static_cast<char>(value >> (8 * bytes));
}

std::uint64_t read_number(std::string_view bytes) {
  std::uint64_t value = 0;
  for (const char byte : bytes) value = (value << 8) | static_cast<unsigned char>(byte);
  return value;
}

std::string sign(const TicketKey& key, std::string_view purpose, const EnvId& env, std::uint16_t port,
                 sys_seconds expires) {
  CHECK(!env.empty() && port != 0);
  Nonce nonce;
  // Without random numbers no ticket would be good for only one use.
  CHECK(RAND_bytes(nonce.data(), static_cast<int>(nonce.size())) == 1);
  std::string payload(nonce.begin(), nonce.end());
  append_number(payload, static_cast<std::uint64_t>(expires.time_since_epoch().count()), 8);
  append_number(payload, port, 2);
  payload += env.view();
  const Mac mac = mac_of(key, purpose, payload);
  payload.append(mac.begin(), mac.end());
  std::string text(kVersion);
  append_base64url(text, payload);
  return text;
}

Result<Ticket> verify(const TicketKey& key, std::string_view purpose, std::string_view text,
                      sys_seconds now) {
  const Failure bad = fail("it is not whole, or was not signed with this key", kTicketBad);
  if (!text.starts_with(kVersion)) return bad;
  text.remove_prefix(kVersion.size());
  if (text.size() > (kMost * 4 + 2) / 3) return bad;
  std::string bytes;
  if (!decode_base64url(text, bytes) || bytes.size() < kLeast || bytes.size() > kMost) return bad;
  const std::string_view payload = std::string_view(bytes).substr(0, bytes.size() - kMacSize);
  const Mac mac = mac_of(key, purpose, payload);
  if (CRYPTO_memcmp(mac.data(), bytes.data() + payload.size(), kMacSize) != 0) return bad;

  Ticket ticket;
  std::copy_n(payload.begin(), kNonceSize, ticket.nonce.begin());
  const std::uint64_t expires = read_number(payload.substr(kNonceSize, 8));
  ticket.port = static_cast<std::uint16_t>(read_number(payload.substr(kNonceSize + 8, 2)));
  const auto env = EnvId::parse(payload.substr(kFixed));
  if (!env || ticket.port == 0 || expires > INT64_MAX) return bad;  // signed, but by no code of ours
  ticket.env = *env;
  ticket.expires = sys_seconds(std::chrono::seconds(static_cast<std::int64_t>(expires)));
  if (ticket.expires <= now) return fail("it has expired", kTicketExpired);
  return ticket;
}

}  // namespace

std::string sign_ticket(const TicketKey& key, const EnvId& env, std::uint16_t port, sys_seconds expires) {
  return sign(key, kTicketPurpose, env, port, expires);
}

std::string sign_cookie(const TicketKey& key, const EnvId& env, std::uint16_t port, sys_seconds expires) {
  return sign(key, kCookiePurpose, env, port, expires);
}

Result<Ticket> verify_ticket(const TicketKey& key, std::string_view text, sys_seconds now) {
  Result<Ticket> ticket = verify(key, kTicketPurpose, text, now);
  if (ticket && ticket->expires > now + kLongestTicket)
    return fail("it expires more than 10 minutes from now; do the clocks of who signs and who checks agree?",
                kTicketTooLong);
  return ticket;
}

Result<Ticket> verify_cookie(const TicketKey& key, std::string_view text, sys_seconds now) {
  return verify(key, kCookiePurpose, text, now);
}

}  // namespace envgate::routing
