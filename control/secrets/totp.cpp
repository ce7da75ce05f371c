#include "control/secrets/totp.hpp"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sodium.h>

#include <array>

#include "base/check.hpp"

namespace envgate::control::secrets {
namespace {

constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
constexpr std::size_t kSecret = 20, kDigits = 6;
constexpr std::uint32_t kModulus = 1'000'000;

std::string base32(std::string_view bytes) {
  std::string text;
  std::uint32_t bits = 0, have = 0;
  for (const char c : bytes) {
    bits = bits << 8 | static_cast<unsigned char>(c);
    for (have += 8; have >= 5; have -= 5) text += kAlphabet[bits >> (have - 5) & 31];
  }
  if (have > 0) text += kAlphabet[bits << (5 - have) & 31];
  return text;
}

std::optional<std::string> unbase32(std::string_view text) {
  std::string bytes;
  std::uint32_t bits = 0, have = 0;
  for (const char c : text) {
    const auto value = kAlphabet.find(c);
    if (value == std::string_view::npos) return std::nullopt;
    bits = bits << 5 | static_cast<std::uint32_t>(value);
    have += 5;
    if (have < 8) continue;
    have -= 8;
    bytes += static_cast<char>(bits >> have);
  }
  return bytes;
}

// What stands in a URI as it is; all else is percent-encoded (RFC 3986, section 2.3).
std::string encoded(std::string_view text) {
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '.' || c == '_' || c == '~';
    if (plain)
      out += c;
    else
      out.append("%").append(1, kHex[byte >> 4]).append(1, kHex[byte & 15]);
  }
  return out;
}

}  // namespace

backends::Secret make_totp_secret() {
  CHECK(sodium_init() >= 0);
  std::string bytes(kSecret, '\0');
  randombytes_buf(bytes.data(), bytes.size());
  std::string text = base32(bytes);
  backends::Secret secret(text);
  sodium_memzero(bytes.data(), bytes.size());
  sodium_memzero(text.data(), text.size());
  return secret;
}

std::optional<std::string> totp_code(const backends::Secret& secret, std::uint64_t step) {
  auto key = unbase32(secret.reveal());
  if (!key || key->empty()) return std::nullopt;
  std::array<unsigned char, 8> counter;
  for (std::size_t i = 0; i < counter.size(); ++i) counter[7 - i] = static_cast<unsigned char>(step >> 8 * i);
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned size = 0;
  const bool made = ::HMAC(EVP_sha1(), key->data(), static_cast<int>(key->size()), counter.data(),
                           counter.size(), digest.data(), &size) != nullptr;
  sodium_memzero(key->data(), key->size());
  if (!made || size < 20) return std::nullopt;
  const std::size_t at = digest[size - 1] & 15;  // RFC 4226, section 5.3
  const std::uint32_t number = (digest[at] & 0x7fu) << 24 | std::uint32_t{digest[at + 1]} << 16 |
                               std::uint32_t{digest[at + 2]} << 8 | digest[at + 3];
  std::string code = std::to_string(number % kModulus);
  return std::string(kDigits - code.size(), '0') + code;
}

std::optional<std::uint64_t> totp_step(const backends::Secret& secret, std::string_view code,
                                       std::uint64_t now, std::uint64_t last) {
  for (std::uint64_t step = now == 0 ? 0 : now - 1; step <= now + 1; ++step) {
    const auto wanted = totp_code(secret, step);
    if (!wanted || wanted->size() != code.size() || step <= last) continue;
    if (sodium_memcmp(wanted->data(), code.data(), code.size()) == 0) return step;
  }
  return std::nullopt;
}

std::string totp_uri(const backends::Secret& secret, std::string_view issuer, std::string_view account) {
  return "otpauth://totp/" + encoded(issuer) + ":" + encoded(account) + "?secret=" + secret.reveal() +
         "&issuer=" + encoded(issuer) + "&algorithm=SHA1&digits=6&period=30";
}

}  // namespace envgate::control::secrets
