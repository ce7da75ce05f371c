#include "control/secrets/random.hpp"

#include <sodium.h>

#include <algorithm>

#include "base/check.hpp"

namespace envgate::control::secrets {
namespace {

constexpr std::string_view kLower = "abcdefghijklmnopqrstuvwxyz";
constexpr std::string_view kUpper = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
constexpr std::string_view kDigits = "0123456789";
constexpr std::string_view kSigns = "-_.+=@%^";  // none that a shell or a URL's reader stumbles on in quotes

std::string pick(std::string_view alphabet, std::size_t count) {
  CHECK(sodium_init() >= 0);
  std::string text(count, '\0');
  for (char& c : text) c = alphabet[randombytes_uniform(static_cast<std::uint32_t>(alphabet.size()))];
  return text;
}

}  // namespace

std::string make_id() { return pick("abcdefghijklmnopqrstuvwxyz0123456789", 16); }

std::string make_token() {
  constexpr std::size_t kDrawn = 43;
  return "envgate_" + pick(std::string(kLower).append(kUpper).append(kDigits), kDrawn);
}

std::string hash_of_token(std::string_view token) {
  unsigned char digest[crypto_hash_sha256_BYTES];
  crypto_hash_sha256(digest, reinterpret_cast<const unsigned char*>(token.data()), token.size());
  char hex[2 * sizeof digest + 1];
  return sodium_bin2hex(hex, sizeof hex, digest, sizeof digest);
}

std::uint32_t random_below(std::uint32_t bound) {
  CHECK(sodium_init() >= 0);
  return randombytes_uniform(bound);
}

std::string PasswordPolicy::make() const {
  std::string all;
  for (const std::string_view some : {kLower, kUpper, kDigits, kSigns}) all += some;
  for (;;) {  // drawn again, not patched: every password that passes stays equally likely
    std::string password = pick(all, std::max(made, least));
    if (check(password)) return password;
  }
}

Result<void> PasswordPolicy::check(std::string_view password) const {
  if (password.size() < least)
    return fail("a password needs at least " + std::to_string(least) + " characters");
  bool lower = false, upper = false, digit = false, sign = false;
  for (char c : password) {
    if (kLower.find(c) != std::string_view::npos)
      lower = true;
    else if (kUpper.find(c) != std::string_view::npos)
      upper = true;
    else if (kDigits.find(c) != std::string_view::npos)
      digit = true;
    else
      sign = true;
  }
  if (!(lower && upper && digit && sign))
    return fail("a password needs a lower and an upper case letter, a digit and a sign");
  return {};
}

}  // namespace envgate::control::secrets
