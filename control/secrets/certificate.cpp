#include "control/secrets/certificate.hpp"

#include <sodium.h>

#include <algorithm>

#include "base/check.hpp"
#include "control/secrets/ssh_wire.hpp"

namespace envgate::control::secrets {
namespace {

constexpr std::string_view kType = "ssh-ed25519-cert-v01@openssh.com";
constexpr std::uint32_t kUser = 1;  // and not a host's
constexpr std::size_t kNonce = 32;

std::uint64_t seconds_of(std::chrono::sys_seconds time) {
  return static_cast<std::uint64_t>(time.time_since_epoch().count());
}

// An option's value is a string in a string; an extension's is empty.
std::string options_of(const CertificateRequest& request) {
  std::string options, command;
  if (request.force_command.empty()) return options;
  append_string(command, request.force_command);
  append_string(options, "force-command");
  append_string(options, command);
  return options;
}

}  // namespace

std::string make_certificate(const SshKey& authority, CertificateRequest request) {
  CHECK(!request.principals.empty());
  std::string_view blob = request.public_blob;
  take_string(blob);  // its type
  const auto key = take_string(blob);
  CHECK(key && key->size() == crypto_sign_PUBLICKEYBYTES);
  std::string nonce(kNonce, '\0'), principals, extensions;
  randombytes_buf(nonce.data(), nonce.size());
  for (const std::string& principal : request.principals) append_string(principals, principal);
  std::sort(request.extensions.begin(), request.extensions.end());  // sshd refuses them out of order
  for (const std::string& name : request.extensions)
    append_string(extensions, name), append_string(extensions, "");
  std::string body;
  append_string(body, kType);
  append_string(body, nonce);
  append_string(body, *key);
  append_number(body, request.serial);
  append_number(body, kUser);
  append_string(body, request.key_id);
  append_string(body, principals);
  append_number(body, seconds_of(request.valid_after));
  append_number(body, seconds_of(request.valid_before));
  append_string(body, options_of(request));
  append_string(body, extensions);
  append_string(body, "");  // reserved
  append_string(body, authority.public_blob());
  append_string(body, authority.sign(body));
  return std::string(kType) + ' ' + base64(body);
}

}  // namespace envgate::control::secrets
