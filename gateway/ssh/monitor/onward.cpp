#include "gateway/ssh/monitor/onward.hpp"

#include <openssl/rand.h>

#include <fstream>
#include <sstream>

#include "gateway/ssh/auth/base64.hpp"
#include "gateway/ssh/auth/certificate.hpp"
#include "gateway/ssh/auth/public_key.hpp"
#include "gateway/ssh/monitor/host_keys.hpp"

namespace envgate::ssh::monitor {
namespace {

constexpr std::chrono::seconds kBefore{60}, kAfter{300};
constexpr std::size_t kKeyFileMax = 16 * 1024;
// All that a session may be permitted: what it is permitted is the policy's, kept by the session process.
constexpr std::string_view kExtensions[] = {"permit-X11-forwarding", "permit-agent-forwarding",
                                            "permit-port-forwarding", "permit-pty", "permit-user-rc"};

std::uint64_t seconds_of(std::chrono::sys_seconds time) {
  return static_cast<std::uint64_t>(time.time_since_epoch().count());
}

std::string random_bytes(std::size_t size) {
  std::string out(size, '\0');
  RAND_bytes(reinterpret_cast<unsigned char*>(out.data()), static_cast<int>(size));
  return out;
}

auth::PublicKey key_of(const record::SigningKey& ca) {
  auth::PublicKey key;
  key.type = auth::KeyType::ed25519;
  key.point.assign(ca.public_key().begin(), ca.public_key().end());
  return key;
}

Result<std::string> read_private_key(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  if (!file || text.str().size() > kKeyFileMax || text.str().find("PRIVATE KEY-----") == std::string::npos)
    return fail("ssh.audited.onward.key_file: " + path +
                " is no private key that can be read: make one with ssh-keygen");
  return text.str();
}

}  // namespace

Result<std::string> session_certificate(const record::SigningKey& ca, const OnwardRequest& request) {
  auto key = auth::parse_authorized_key(request.public_key);
  if (!key) return tl::unexpected(key.error());
  if (key->key.type != auth::KeyType::ed25519) return fail("a session's key is not of Ed25519");
  auth::Certificate certificate;
  certificate.key = std::move(key->key);
  certificate.ca = key_of(ca);
  certificate.nonce = random_bytes(32);
  certificate.key_id = std::string(request.key_id.substr(0, auth::kKeyIdMax));
  certificate.principals = {std::string(request.login)};
  certificate.valid_after = seconds_of(request.now - kBefore);
  certificate.valid_before = seconds_of(request.now + kAfter);
  for (const std::string_view name : kExtensions) certificate.extensions.push_back({std::string(name), ""});
  const record::Signature signature = ca.sign(certificate.signed_part());
  certificate.signature.algorithm = auth::signature_algorithm_by_name("ssh-ed25519");
  certificate.signature.value.assign(signature.begin(), signature.end());
  return "ssh-ed25519-cert-v01@openssh.com " + auth::base64(certificate.blob());
}

Result<Onward> Onward::open(const std::string& ca_file, const std::string& key_file) {
  Onward onward;
  if (!ca_file.empty()) {
    auto ca = record::SigningKey::open(ca_file, true);
    if (!ca) return fail("ssh.audited.onward.ca_file: " + ca.error().message, ca.error().code);
    onward.ca_ = *ca;
  }
  if (!key_file.empty()) {
    auto key = read_private_key(key_file);
    if (!key) return tl::unexpected(key.error());
    onward.private_key_ = std::move(*key);
  }
  return onward;
}

Result<void> Onward::provide(const OnwardRequest& request, Target& target) const {
  if (ca_) {
    auto certificate = session_certificate(*ca_, request);
    if (!certificate) return tl::unexpected(certificate.error());
    target.credential = Credential::certificate;
    target.secret = std::move(*certificate);
    return {};
  }
  if (private_key_.empty())
    return fail("no credential: set ssh.audited.onward.ca_file, or let the control plane give them");
  target.credential = Credential::private_key;
  target.secret = private_key_;
  return {};
}

std::string Onward::ca_line() const { return ca_ ? ssh_line(ca_->public_key()) : std::string(); }

}  // namespace envgate::ssh::monitor
