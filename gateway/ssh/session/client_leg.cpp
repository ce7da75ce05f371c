#include <libssh/libssh.h>
#include <libssh/server.h>
#include <openssl/crypto.h>
#include <poll.h>

#include <chrono>

#include "gateway/ssh/auth/wire.hpp"
#include "gateway/ssh/session/algorithms.hpp"
#include "gateway/ssh/session/host_key.hpp"
#include "gateway/ssh/session/leg.hpp"
#include "gateway/ssh/session/libssh_packets.h"

namespace envgate::ssh::session {
namespace {

constexpr std::uint8_t kServiceRequest = 5, kServiceAccept = 6;  // RFC 4253 section 10
constexpr std::uint8_t kFirstOfUserauth = 50, kLastOfUserauth = 79;
constexpr std::uint32_t kServiceNotAvailable = 7;
constexpr std::string_view kService = "ssh-userauth";
constexpr std::size_t kInboxMax = 64;           // packets that a client sends without waiting for an answer
constexpr std::size_t kUnreadMost = 64 * 1024;  // bytes for a client that is not logged in and does not read
constexpr std::chrono::seconds kLetOutIn{2};
constexpr const char* kDoesNotRead = "the client does not read what it is answered";
constexpr const char* kIdentification = "envgate";

std::string text_or_empty(const char* text) { return text ? text : ""; }

}  // namespace

ClientLeg::~ClientLeg() {
  if (polling_) {
    if (session_) ssh_event_remove_session(polling_, session_);
    ssh_event_free(polling_);
  }
  if (bind_) ssh_bind_free(bind_);
}

Result<void> ClientLeg::handshake(Fd socket, std::string_view seed) {
  bind_ = ssh_bind_new();
  if (!bind_ || !make(kKeyExchanges)) return fail("out of memory");
  std::string pem = openssh_private_key(seed);
  ssh_key key = nullptr;
  const int imported = ssh_pki_import_privkey_base64(pem.c_str(), nullptr, nullptr, nullptr, &key);
  OPENSSL_cleanse(pem.data(), pem.size());
  if (imported != SSH_OK) return fail("the host key is no key");
  const bool no = false;
  const bool prepared = ssh_bind_options_set(bind_, SSH_BIND_OPTIONS_PROCESS_CONFIG, &no) == SSH_OK &&
                        ssh_bind_options_set(bind_, SSH_BIND_OPTIONS_BANNER, kIdentification) == SSH_OK &&
                        ssh_bind_options_set(bind_, SSH_BIND_OPTIONS_IMPORT_KEY, key) == SSH_OK &&
                        ssh_bind_options_set(bind_, SSH_BIND_OPTIONS_KEY_EXCHANGE, kKeyExchanges) == SSH_OK &&
                        ssh_bind_options_set(bind_, SSH_BIND_OPTIONS_CIPHERS_C_S, kCiphers) == SSH_OK &&
                        ssh_bind_options_set(bind_, SSH_BIND_OPTIONS_CIPHERS_S_C, kCiphers) == SSH_OK &&
                        ssh_bind_options_set(bind_, SSH_BIND_OPTIONS_HMAC_C_S, kMacs) == SSH_OK &&
                        ssh_bind_options_set(bind_, SSH_BIND_OPTIONS_HMAC_S_C, kMacs) == SSH_OK;
  if (!prepared) return fail(std::string("libssh takes no such setting: ") + ssh_get_error(bind_));
  fd_ = socket.get();
  if (ssh_bind_accept_fd(bind_, session_, socket.release()) != SSH_OK)
    return tl::unexpected(failure("accept"));
  packets_first_at_once(session_);
  // Before the exchange: a client may send its first request together with the end of it, as dropbear does.
  if (!take(kServiceRequest, kServiceRequest, *this) || !take(kFirstOfUserauth, kLastOfUserauth, *this))
    return fail("out of memory");
  if (auto exchanged = exchange_keys(); !exchanged) return exchanged;
  polling_ = ssh_event_new();
  if (!polling_ || ssh_event_add_session(polling_, session_) != SSH_OK) return fail("out of memory");
  return {};
}

// Turn by turn: libssh answers each packet that it does not know, and keeps the answers for who does not
// read.
Result<void> ClientLeg::exchange_keys() {
  ssh_set_blocking(session_, 0);
  int result;
  while ((result = ssh_handle_key_exchange(session_)) == SSH_AGAIN) {
    if (pending() > kUnreadMost) return fail(kDoesNotRead);
    pollfd ready{fd_, static_cast<short>(pending() > 0 ? POLLIN | POLLOUT : POLLIN), 0};
    ::poll(&ready, 1, -1);
    flush();
  }
  ssh_set_blocking(session_, 1);
  if (result != SSH_OK) return tl::unexpected(failure("key exchange"));
  return {};
}

void ClientLeg::describe(monitor::Handshaken& into) const {
  const std::uint8_t* id = nullptr;
  std::size_t size = 0;
  packets_session_id(session_, &id, &size);
  into.session_id.assign(reinterpret_cast<const char*>(id), size);
  into.client_identification = text_or_empty(ssh_get_clientbanner(session_));
  into.key_exchange = text_or_empty(ssh_get_kex_algo(session_));
  into.cipher = text_or_empty(ssh_get_cipher_in(session_));
  into.mac = text_or_empty(ssh_get_hmac_in(session_));
}

bool ClientLeg::serve(std::string_view service_request) {
  auth::Reader reader(service_request.substr(1));
  std::string_view service;
  if (!reader.string(service) || !reader.at_end() || service != kService || service_) {
    disconnect(kServiceNotAvailable, "no such service");
    return false;
  }
  service_ = true;
  auth::Writer accept;
  accept.byte(kServiceAccept).string(service);
  return send(accept.bytes());
}

Result<std::string> ClientLeg::next_userauth() {
  for (;;) {
    while (!inbox_.empty()) {
      std::string payload = std::move(inbox_.front());
      inbox_.pop_front();
      if (static_cast<std::uint8_t>(payload[0]) == kServiceRequest) {
        if (!serve(payload)) return fail("asked for another service");
      } else if (!service_) {
        return fail("authentication without its service");
      } else {
        return payload;
      }
    }
    if (broken()) return fail(farewell().empty() ? "the client has gone" : farewell());
    if (ssh_event_dopoll(polling_, -1) == SSH_ERROR && inbox_.empty()) return tl::unexpected(failure("read"));
    if (inbox_.size() > kInboxMax) return fail("too many requests at once");
    if (pending() > kUnreadMost) return fail(kDoesNotRead);
  }
}

// libssh's filter lets an answer in only after its own question; who may answer what is the monitor's to say.
bool ClientLeg::reply(std::string_view payload) {
  packets_expect_info_response(session_);
  return send(payload);
}

bool ClientLeg::let_out() {
  const auto until = std::chrono::steady_clock::now() + kLetOutIn;
  while (pending() > 0 && !broken()) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
    pollfd ready{fd_, POLLOUT, 0};
    if (left.count() <= 0 || ::poll(&ready, 1, static_cast<int>(left.count())) == 0) break;
    flush();
  }
  return !broken() && pending() <= kUnreadMost;
}

bool ClientLeg::admit() {
  inbox_.clear();
  ssh_event_remove_session(polling_, session_);
  return packets_authenticated(session_);
}

}  // namespace envgate::ssh::session
