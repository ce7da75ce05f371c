#include <libssh/libssh.h>
#include <openssl/crypto.h>
#include <poll.h>

#include <chrono>
#include <cstring>
#include <functional>
#include <memory>

#include "gateway/ssh/session/algorithms.hpp"
#include "gateway/ssh/session/leg.hpp"
#include "gateway/ssh/session/libssh_packets.h"

namespace envgate::ssh::session {
namespace {

using monitor::Credential;
using monitor::Target;
using monitor::TargetFailed;
using monitor::TargetFailure;

constexpr std::chrono::seconds kTimeout{20};    // for all of it; the monitor's own deadline is later
constexpr std::size_t kUnreadMost = 64 * 1024;  // bytes for a target that does not read
constexpr int kPromptsMax = 4;

struct FreeKey {
  void operator()(ssh_key key) const { ssh_key_free(key); }
};
using KeyPtr = std::unique_ptr<ssh_key_struct, FreeKey>;

KeyPtr import_public(const std::string& line) {
  const std::size_t blank = line.find(' ');
  if (blank == std::string::npos) return nullptr;
  const std::string type = line.substr(0, blank);
  const std::string text = line.substr(blank + 1, line.find(' ', blank + 1) - blank - 1);
  ssh_key key = nullptr;
  if (ssh_pki_import_pubkey_base64(text.c_str(), ssh_key_type_from_name(type.c_str()), &key) != SSH_OK)
    return nullptr;
  return KeyPtr(key);
}

// The signature algorithms for the keys that the target may show, so that it shows one of them.
std::string algorithms_of(const std::vector<std::string>& host_keys) {
  std::string out;
  for (const std::string& line : host_keys) {
    std::string type = line.substr(0, line.find(' '));
    if (type == "ssh-rsa") type = "rsa-sha2-512,rsa-sha2-256";
    if (out.find(type) == std::string::npos) (out += out.empty() ? "" : ",") += type;
  }
  return out;
}

std::string fingerprint(ssh_key key) {
  unsigned char* hash = nullptr;
  std::size_t size = 0;
  if (ssh_get_publickey_hash(key, SSH_PUBLICKEY_HASH_SHA256, &hash, &size) != SSH_OK) return {};
  char* const text = ssh_get_fingerprint_hash(SSH_PUBLICKEY_HASH_SHA256, hash, size);
  std::string out = text ? text : "";
  ssh_string_free_char(text);
  ssh_clean_pubkey_hash(&hash);
  return out;
}

}  // namespace

TargetLeg::TargetLeg() {
  if (ssh_pki_generate_key(SSH_KEYTYPE_ED25519, nullptr, &key_) != SSH_OK) return;
  char* text = nullptr;
  if (ssh_pki_export_pubkey_base64(key_, &text) == SSH_OK) public_key_ = std::string("ssh-ed25519 ") + text;
  ssh_string_free_char(text);
}

TargetLeg::~TargetLeg() {
  ssh_key_free(key_);
  ssh_key_free(kept_.key);
}

bool TargetLeg::same_host_key() { return packets_same_host_key(session_, &kept_); }

std::string TargetLeg::identification() const {
  const char* const text = ssh_get_serverbanner(session_);
  return text ? text : "";
}

// A call of libssh's that is to be repeated while it says `again`. In turns, since libssh answers each packet
// that it does not know, and keeps the answers for who does not read.
int TargetLeg::in_turns(int again, const std::function<int()>& call) {
  for (;;) {
    const int result = call();
    if (result != again) return result;
    if (broken()) return SSH_ERROR;  // some would say `again` for ever
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(until_ - std::chrono::steady_clock::now());
    stuck_ = left.count() <= 0         ? "it takes too long"
             : pending() > kUnreadMost ? "it does not read what it is answered"
                                       : nullptr;
    if (stuck_) return SSH_ERROR;
    pollfd ready{ssh_get_fd(session_), static_cast<short>(pending() > 0 ? POLLIN | POLLOUT : POLLIN), 0};
    ::poll(&ready, 1, static_cast<int>(left.count()));
    flush();
  }
}

bool TargetLeg::check_host_key(const Target& target, TargetFailed& failed) {
  ssh_key shown = nullptr;
  if (ssh_get_server_publickey(session_, &shown) != SSH_OK) return false;
  const KeyPtr owned(shown);
  for (const std::string& line : target.host_keys) {
    const KeyPtr pinned = import_public(line);
    if (!pinned || ssh_key_cmp(pinned.get(), shown, SSH_KEY_CMP_PUBLIC) != 0) continue;
    packets_keep_host_key(session_, &kept_);
    return true;
  }
  failed = {TargetFailure::host_key, "its host key is not the one that was pinned", fingerprint(shown)};
  return false;
}

int TargetLeg::by_password(const std::string& password) {
  const auto interactive = [this] {
    return in_turns(SSH_AUTH_AGAIN, [this] { return ssh_userauth_kbdint(session_, nullptr, nullptr); });
  };
  int result = in_turns(SSH_AUTH_AGAIN, [this] { return ssh_userauth_none(session_, nullptr); });
  if (result == SSH_AUTH_SUCCESS || result == SSH_AUTH_ERROR) return result;
  const int methods = ssh_userauth_list(session_, nullptr);
  if (methods & SSH_AUTH_METHOD_PASSWORD) {
    result =
        in_turns(SSH_AUTH_AGAIN, [&] { return ssh_userauth_password(session_, nullptr, password.c_str()); });
    if (result == SSH_AUTH_SUCCESS || !(methods & SSH_AUTH_METHOD_INTERACTIVE)) return result;
  }
  result = interactive();
  for (int round = 0; result == SSH_AUTH_INFO && round < kPromptsMax; ++round) {
    const int prompts = ssh_userauth_kbdint_getnprompts(session_);
    for (int i = 0; i < prompts && i < kPromptsMax; ++i)
      ssh_userauth_kbdint_setanswer(session_, static_cast<unsigned>(i), password.c_str());
    result = interactive();
  }
  return result;
}

int TargetLeg::by_key(ssh_key key) {
  return in_turns(SSH_AUTH_AGAIN, [this, key] { return ssh_userauth_publickey(session_, nullptr, key); });
}

int TargetLeg::authenticate(const Target& target) {
  if (target.credential == Credential::password) return by_password(target.secret);
  if (target.credential == Credential::private_key) {
    ssh_key key = nullptr;
    if (ssh_pki_import_privkey_base64(target.secret.c_str(), nullptr, nullptr, nullptr, &key) != SSH_OK)
      return SSH_AUTH_ERROR;
    const KeyPtr owned(key);
    return by_key(key);
  }
  const std::size_t blank = target.secret.find(' ');
  if (blank == std::string::npos) return SSH_AUTH_ERROR;
  const std::string text = target.secret.substr(blank + 1, target.secret.find(' ', blank + 1) - blank - 1);
  ssh_key certificate = nullptr;
  if (ssh_pki_import_cert_base64(text.c_str(), SSH_KEYTYPE_ED25519_CERT01, &certificate) != SSH_OK)
    return SSH_AUTH_ERROR;
  const KeyPtr owned(certificate);
  if (ssh_pki_copy_cert_to_privkey(certificate, key_) != SSH_OK) return SSH_AUTH_ERROR;
  return by_key(key_);
}

bool TargetLeg::log_in(Fd socket, const Target& target, TargetFailed& failed) {
  failed = {TargetFailure::handshake, "out of memory", {}};
  if (!make(kTargetKeyExchanges)) return false;
  const std::string algorithms = algorithms_of(target.host_keys);
  const int fd = socket.release();
  if (ssh_options_set(session_, SSH_OPTIONS_FD, &fd) != SSH_OK) return false;
  const bool set = ssh_options_set(session_, SSH_OPTIONS_HOST, "target") == SSH_OK &&
                   ssh_options_set(session_, SSH_OPTIONS_USER, target.user.c_str()) == SSH_OK &&
                   ssh_options_set(session_, SSH_OPTIONS_CIPHERS_C_S, kCiphers) == SSH_OK &&
                   ssh_options_set(session_, SSH_OPTIONS_CIPHERS_S_C, kCiphers) == SSH_OK &&
                   ssh_options_set(session_, SSH_OPTIONS_HMAC_C_S, kTargetMacs) == SSH_OK &&
                   ssh_options_set(session_, SSH_OPTIONS_HMAC_S_C, kTargetMacs) == SSH_OK &&
                   ssh_options_set(session_, SSH_OPTIONS_HOSTKEYS, algorithms.c_str()) == SSH_OK;
  failed.text = error();
  if (!set) return false;
  until_ = std::chrono::steady_clock::now() + kTimeout;
  ssh_set_blocking(session_, 0);
  if (in_turns(SSH_AGAIN, [this] { return ssh_connect(session_); }) != SSH_OK) {
    failed.text = stuck_ ? stuck_ : error();
    return false;
  }
  failed.text = "it shows no host key";
  if (!check_host_key(target, failed)) return false;
  const int result = authenticate(target);
  if (result == SSH_AUTH_SUCCESS) return true;
  failed = {
      result == SSH_AUTH_DENIED || result == SSH_AUTH_PARTIAL ? TargetFailure::refused : TargetFailure::lost,
      result == SSH_AUTH_DENIED ? "it refuses the login"
      : stuck_                  ? stuck_
                                : error(),
      {}};
  return false;
}

}  // namespace envgate::ssh::session
