#include "gateway/ssh/auth/algorithms.hpp"

#include <algorithm>
#include <iterator>

namespace envgate::ssh::auth {
namespace {

// In the order of KeyType. Source: RFC 4253 section 6.6, RFC 5656, RFC 8709; OpenSSH's PROTOCOL.certkeys and
// PROTOCOL.u2f.
constexpr KeyTypeFacts kKeyTypes[] = {
    {KeyType::ed25519, Mathematics::ed25519, false, "ssh-ed25519", "ssh-ed25519-cert-v01@openssh.com", "",
     nullptr, 32},
    {KeyType::ecdsa_p256, Mathematics::ecdsa, false, "ecdsa-sha2-nistp256",
     "ecdsa-sha2-nistp256-cert-v01@openssh.com", "nistp256", "P-256", 32},
    {KeyType::ecdsa_p384, Mathematics::ecdsa, false, "ecdsa-sha2-nistp384",
     "ecdsa-sha2-nistp384-cert-v01@openssh.com", "nistp384", "P-384", 48},
    {KeyType::ecdsa_p521, Mathematics::ecdsa, false, "ecdsa-sha2-nistp521",
     "ecdsa-sha2-nistp521-cert-v01@openssh.com", "nistp521", "P-521", 66},
    {KeyType::rsa, Mathematics::rsa, false, "ssh-rsa", "ssh-rsa-cert-v01@openssh.com", "", nullptr, 0},
    {KeyType::sk_ed25519, Mathematics::ed25519, true, "sk-ssh-ed25519@openssh.com",
     "sk-ssh-ed25519-cert-v01@openssh.com", "", nullptr, 32},
    {KeyType::sk_ecdsa_p256, Mathematics::ecdsa, true, "sk-ecdsa-sha2-nistp256@openssh.com",
     "sk-ecdsa-sha2-nistp256-cert-v01@openssh.com", "nistp256", "P-256", 32},
};

// Source: as above, and RFC 8332 for rsa-sha2-*.
constexpr SignatureAlgorithm kSignatureAlgorithms[] = {
    {"ssh-ed25519", "ssh-ed25519-cert-v01@openssh.com", KeyType::ed25519, 0},
    {"ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256-cert-v01@openssh.com", KeyType::ecdsa_p256, 256},
    {"ecdsa-sha2-nistp384", "ecdsa-sha2-nistp384-cert-v01@openssh.com", KeyType::ecdsa_p384, 384},
    {"ecdsa-sha2-nistp521", "ecdsa-sha2-nistp521-cert-v01@openssh.com", KeyType::ecdsa_p521, 512},
    {"rsa-sha2-256", "rsa-sha2-256-cert-v01@openssh.com", KeyType::rsa, 256},
    {"rsa-sha2-512", "rsa-sha2-512-cert-v01@openssh.com", KeyType::rsa, 512},
    {"sk-ssh-ed25519@openssh.com", "sk-ssh-ed25519-cert-v01@openssh.com", KeyType::sk_ed25519, 0},
    {"sk-ecdsa-sha2-nistp256@openssh.com", "sk-ecdsa-sha2-nistp256-cert-v01@openssh.com",
     KeyType::sk_ecdsa_p256, 256},
};

template <typename Row, std::size_t Count>
const Row* find(const Row (&rows)[Count], std::string_view Row::*column, std::string_view name) {
  const Row* const row =
      std::find_if(std::begin(rows), std::end(rows), [&](const Row& r) { return r.*column == name; });
  return row == std::end(rows) ? nullptr : row;
}

}  // namespace

const KeyTypeFacts& facts(KeyType type) { return kKeyTypes[static_cast<std::size_t>(type)]; }

const KeyTypeFacts* key_type_by_name(std::string_view name) {
  return find(kKeyTypes, &KeyTypeFacts::name, name);
}

const KeyTypeFacts* key_type_by_certificate_name(std::string_view name) {
  return find(kKeyTypes, &KeyTypeFacts::certificate_name, name);
}

const SignatureAlgorithm* signature_algorithm_by_name(std::string_view name) {
  return find(kSignatureAlgorithms, &SignatureAlgorithm::name, name);
}

const SignatureAlgorithm* signature_algorithm_by_certificate_name(std::string_view name) {
  return find(kSignatureAlgorithms, &SignatureAlgorithm::certificate_name, name);
}

std::string shown(std::string_view text) {
  constexpr std::size_t kShownMax = 80;
  std::string out = "'";
  for (const char c : text.substr(0, kShownMax)) out += c >= 0x20 && c <= 0x7e ? c : '?';
  return out += text.size() > kShownMax ? "...'" : "'";
}

}  // namespace envgate::ssh::auth
