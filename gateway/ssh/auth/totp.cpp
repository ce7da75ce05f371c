#include "gateway/ssh/auth/totp.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>
#include <string>

#include "base/check.hpp"

namespace envgate::ssh::auth {
namespace {

using Digits = std::array<char, kTotpDigits>;

int base32_value(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a';
  if (c >= '2' && c <= '7') return 26 + (c - '2');
  return -1;
}

std::optional<Digits> digits_of(std::string_view code) {
  Digits out;
  std::size_t count = 0;
  for (const char c : code) {
    if (c == ' ') continue;
    if (c < '0' || c > '9' || count == out.size()) return std::nullopt;
    out[count++] = c;
  }
  return count == out.size() ? std::optional(out) : std::nullopt;
}

Digits as_digits(std::uint32_t number) {
  Digits out;
  for (auto at = out.rbegin(); at != out.rend(); ++at, number /= 10)
    *at = static_cast<char>('0' + number % 10);
  return out;
}

}  // namespace

Result<gateway::Secret> parse_totp_secret(std::string_view text) {
  std::array<char, kTotpSecretMax> bytes;
  std::size_t size = 0;
  unsigned bits = 0, held = 0;
  bool padding = false, too_long = false, wrong = false;
  for (const char c : text) {
    if (c == ' ' || c == '-') continue;
    padding = padding || c == '=';
    const int value = base32_value(c);
    wrong = wrong || (padding ? c != '=' : value < 0);
    if (padding || wrong) continue;
    bits = (bits << 5 | static_cast<unsigned>(value)) & 0xfff;
    held += 5;
    if (held < 8) continue;
    held -= 8;
    too_long = too_long || size == bytes.size();
    if (!too_long) bytes[size++] = static_cast<char>(bits >> held & 0xff);
  }
  gateway::Secret secret(std::string_view(bytes.data(), size));
  OPENSSL_cleanse(bytes.data(), bytes.size());
  if (wrong) return fail("the verification secret is not base32: letters, and digits from 2 to 7");
  // Left over are fewer bits than a character has, and they are zero.
  if (held >= 5 || (bits & ((1u << held) - 1)) != 0)
    return fail("the verification secret is base32 that is cut short");
  if (too_long || size < kTotpSecretMin)
    return fail("the verification secret has " + std::string(too_long ? "too many" : "too few") +
                " bytes: it must have " + std::to_string(kTotpSecretMin) + " to " +
                std::to_string(kTotpSecretMax));
  return secret;
}

std::uint32_t totp_code(std::string_view secret, std::uint64_t step) {
  std::array<unsigned char, 8> message;
  for (auto at = message.rbegin(); at != message.rend(); ++at, step >>= 8)
    *at = static_cast<unsigned char>(step & 0xff);
  std::array<unsigned char, 20> mac;
  unsigned size = 0;
  CHECK(HMAC(EVP_sha1(), secret.data(), static_cast<int>(secret.size()), message.data(), message.size(),
             mac.data(), &size) != nullptr &&
        size == mac.size());
  const std::size_t at = mac[19] & 0x0f;  // RFC 4226 section 5.3
  const std::uint32_t number = (mac[at] & 0x7fu) << 24 | static_cast<std::uint32_t>(mac[at + 1]) << 16 |
                               static_cast<std::uint32_t>(mac[at + 2]) << 8 | mac[at + 3];
  OPENSSL_cleanse(mac.data(), mac.size());
  return number % 1'000'000;
}

std::optional<std::uint64_t> match_totp(std::string_view secret, std::string_view code,
                                        std::chrono::sys_seconds now) {
  const auto given = digits_of(code);
  if (!given) return std::nullopt;
  const std::int64_t current = now.time_since_epoch() / kTotpStep;
  std::optional<std::uint64_t> matched;
  for (std::int64_t step = current - kTotpWindow; step <= current + kTotpWindow; ++step) {
    if (step < 0) continue;
    const Digits right = as_digits(totp_code(secret, static_cast<std::uint64_t>(step)));
    if (CRYPTO_memcmp(right.data(), given->data(), right.size()) == 0)
      matched = static_cast<std::uint64_t>(step);
  }
  return matched;
}

}  // namespace envgate::ssh::auth
