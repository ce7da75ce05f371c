#include "control/secrets/verifier.hpp"

#include <crypt.h>
#include <sodium.h>

#include <cerrno>
#include <memory>

namespace envgate::control::secrets {
namespace {

// 32 KiB, which libxcrypt works in: wiped, since the password passes through it.
std::string hash_with(const std::string& setting, const backends::Secret& password) {
  const auto work = std::make_unique<crypt_data>();
  const char* made = ::crypt_rn(password.reveal().c_str(), setting.c_str(), work.get(), sizeof(crypt_data));
  std::string hash = made != nullptr ? made : "";
  sodium_memzero(work.get(), sizeof(crypt_data));
  return hash;
}

}  // namespace

Result<std::string> make_verifier(const backends::Secret& password) {
  char setting[CRYPT_GENSALT_OUTPUT_SIZE];
  // No bytes of ours: libxcrypt takes them from the system's random source.
  if (::crypt_gensalt_rn("$y$", 0, nullptr, 0, setting, sizeof setting) == nullptr)
    return fail_errno("hash a password: crypt_gensalt with yescrypt", errno);
  std::string hash = hash_with(setting, password);
  if (!hash.starts_with("$y$")) return fail_errno("hash a password: crypt", errno);
  return hash;
}

bool verifies(const std::string& verifier, const backends::Secret& password) {
  const std::string again = hash_with(verifier, password);
  return !again.empty() && again.size() == verifier.size() &&
         sodium_memcmp(again.data(), verifier.data(), again.size()) == 0;
}

}  // namespace envgate::control::secrets
