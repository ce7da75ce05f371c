#include "gateway/net/tls_context.hpp"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include "base/check.hpp"
#include "base/freed.hpp"

namespace envgate::net {
namespace {

using BioPtr = std::unique_ptr<BIO, Freed<BIO_free>>;
using X509Ptr = std::unique_ptr<X509, Freed<X509_free>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;

std::string openssl_reason() {
  const unsigned long code = ERR_get_error();
  char text[256] = "unknown reason";
  if (code) ERR_error_string_n(code, text, sizeof(text));
  ERR_clear_error();
  return text;
}

Result<std::string> read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  if (!in) return fail_errno("cannot read " + path, errno ? errno : EIO);
  return text.str();
}

BioPtr memory(const std::string& text) {
  return BioPtr(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

std::vector<std::string> dns_names(X509* leaf) {
  std::vector<std::string> names;
  auto* const all =
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(leaf, NID_subject_alt_name, nullptr, nullptr));
  for (int i = 0; all && i < sk_GENERAL_NAME_num(all); ++i) {
    const GENERAL_NAME* const name = sk_GENERAL_NAME_value(all, i);
    if (name->type != GEN_DNS) continue;
    const ASN1_IA5STRING* const text = name->d.dNSName;
    names.push_back(lower({reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
                           static_cast<std::size_t>(ASN1_STRING_length(text))}));
  }
  GENERAL_NAMES_free(all);
  return names;
}

Result<Certificates::Entry> load_entry(const CertificateFiles& files) {
  Certificates::Entry entry;
  auto chain = read_file(files.certificate);
  if (!chain) return tl::unexpected(chain.error());
  auto key_text = read_file(files.key);
  if (!key_text) return tl::unexpected(key_text.error());
  const X509Ptr leaf(PEM_read_bio_X509(memory(*chain).get(), nullptr, nullptr, nullptr));
  if (!leaf) return fail(files.certificate + ": no PEM certificate in it: " + openssl_reason());
  const KeyPtr key(PEM_read_bio_PrivateKey(memory(*key_text).get(), nullptr, nullptr, const_cast<char*>("")));
  if (!key) return fail(files.key + ": no PEM private key without a passphrase in it: " + openssl_reason());
  if (X509_check_private_key(leaf.get(), key.get()) != 1) {
    ERR_clear_error();
    return fail(files.key + " is not the key of " + files.certificate);
  }
  entry.names = dns_names(leaf.get());
  if (entry.names.empty())
    return fail(files.certificate + ": it has no DNS subjectAltName, so no client would accept it");
  tm expires;
  if (ASN1_TIME_to_tm(X509_get0_notAfter(leaf.get()), &expires) == 1)
    entry.expires = std::chrono::system_clock::from_time_t(timegm(&expires));
  entry.chain_pem = std::move(*chain);
  entry.key_pem = std::move(*key_text);
  return entry;
}

}  // namespace

Result<std::shared_ptr<const Certificates>> Certificates::load(const std::vector<CertificateFiles>& files) {
  auto made = std::make_shared<Certificates>();
  std::string problems;
  for (const CertificateFiles& pair : files) {
    auto entry = load_entry(pair);
    if (entry)
      made->entries_.push_back(std::move(*entry));
    else
      problems += (problems.empty() ? "" : "; ") + entry.error().message;
  }
  if (!problems.empty()) return fail("https.certificates: " + problems);
  return made;
}

std::size_t Certificates::find(std::string_view server_name) const {
  const std::string name = lower(server_name);
  const auto dot = name.find('.');
  const std::string wildcard = dot == std::string::npos ? "" : "*" + name.substr(dot);
  std::size_t by_wildcard = entries_.size();
  for (std::size_t i = 0; i < entries_.size(); ++i)
    for (const std::string& candidate : entries_[i].names) {
      if (candidate == name) return i;
      if (candidate == wildcard && by_wildcard == entries_.size()) by_wildcard = i;
    }
  return by_wildcard == entries_.size() ? 0 : by_wildcard;
}

void TicketKeys::rotate() {
  Key key;
  CHECK(RAND_bytes(key.name.data(), 16) == 1 && RAND_bytes(key.cipher.data(), 32) == 1 &&
        RAND_bytes(key.mac.data(), 32) == 1);
  const std::lock_guard lock(mutex_);
  keys_.insert(keys_.begin(), key);
  if (keys_.size() > 3) {
    OPENSSL_cleanse(&keys_.back(), sizeof(Key));
    keys_.pop_back();
  }
}

TicketKeys::Key TicketKeys::newest() const {
  const std::lock_guard lock(mutex_);
  return keys_.front();
}

bool TicketKeys::find(const unsigned char* name, Key& out, bool& stale) const {
  const std::lock_guard lock(mutex_);
  for (std::size_t i = 0; i < keys_.size(); ++i)
    if (std::memcmp(keys_[i].name.data(), name, 16) == 0) {
      out = keys_[i];
      stale = i != 0;
      return true;
    }
  return false;
}

namespace {

int server_index() {
  static const int index = SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}

// Source: SSL_CTX_set_tlsext_ticket_key_evp_cb(3): 0 = no such key, 1 = fine, 2 = fine and issue a new
// ticket.
int ticket_key(SSL* ssl, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac,
               int seal) {
  const auto* tickets =
      static_cast<const TicketKeys*>(SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), server_index()));
  TicketKeys::Key key;
  bool stale = false;
  if (seal) {
    key = tickets->newest();
    std::memcpy(name, key.name.data(), 16);
    if (RAND_bytes(iv, EVP_MAX_IV_LENGTH) != 1) return -1;
  } else if (!tickets->find(name, key, stale)) {
    return 0;
  }
  char digest[] = "SHA256";
  OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key.mac.data(), key.mac.size()),
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0), OSSL_PARAM_construct_end()};
  const int started = seal ? EVP_EncryptInit_ex(cipher, EVP_aes_256_cbc(), nullptr, key.cipher.data(), iv)
                           : EVP_DecryptInit_ex(cipher, EVP_aes_256_cbc(), nullptr, key.cipher.data(), iv);
  const bool fine = started == 1 && EVP_MAC_CTX_set_params(mac, parameters) == 1;
  OPENSSL_cleanse(&key, sizeof(key));
  if (!fine) return -1;
  // TLS 1.3 clients use a ticket once (RFC 8446 appendix C.4): always give a new one.
  return stale || (!seal && SSL_version(ssl) == TLS1_3_VERSION) ? 2 : 1;
}

int choose_certificate(SSL* ssl, int*, void* server) {
  const char* const name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  if (!name) return SSL_TLSEXT_ERR_NOACK;
  SSL_CTX* const context = static_cast<TlsServer*>(server)->context_for(name);
  if (context != SSL_get_SSL_CTX(ssl)) SSL_set_SSL_CTX(ssl, context);
  return SSL_TLSEXT_ERR_OK;
}

int choose_protocol(SSL*, const unsigned char** out, unsigned char* length, const unsigned char* offered,
                    unsigned int offered_length, void*) {
  static constexpr unsigned char kOurs[] = "\x02h2\x08http/1.1";
  unsigned char* chosen = nullptr;
  const int found = SSL_select_next_proto(&chosen, length, kOurs, sizeof(kOurs) - 1, offered, offered_length);
  *out = chosen;
  // RFC 7301 section 3.2: no protocol in common ends the handshake; but an SSH client behind TLS may offer
  // its own.
  return found == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
}

[[noreturn]] void refuse(const char* what) {
  throw std::runtime_error(std::string(what) + ": " + openssl_reason());
}

void use_certificate(SSL_CTX* context, const Certificates::Entry& entry, OSSL_LIB_CTX* library) {
  const BioPtr chain = memory(entry.chain_pem);
  for (bool leaf = true;; leaf = false) {
    X509* certificate = X509_new_ex(library, nullptr);
    if (!PEM_read_bio_X509(chain.get(), &certificate, nullptr, nullptr)) {
      X509_free(certificate);
      break;
    }
    const X509Ptr owned(certificate);
    if (leaf ? SSL_CTX_use_certificate(context, certificate) != 1
             : SSL_CTX_add1_chain_cert(context, certificate) != 1)
      refuse("certificate");
  }
  ERR_clear_error();  // the end of the file is reported as an error
  const KeyPtr key(PEM_read_bio_PrivateKey_ex(memory(entry.key_pem).get(), nullptr, nullptr,
                                              const_cast<char*>(""), library, nullptr));
  if (!key || SSL_CTX_use_PrivateKey(context, key.get()) != 1) refuse("private key");
}

}  // namespace

TlsLibrary::TlsLibrary() : library_(OSSL_LIB_CTX_new()) {
  if (!library_) refuse("OSSL_LIB_CTX_new");
}
TlsLibrary::~TlsLibrary() { OSSL_LIB_CTX_free(library_); }

TlsServer::TlsServer(TlsLibrary& library, std::shared_ptr<const Certificates> certificates,
                     std::shared_ptr<TicketKeys> tickets, TlsOptions options)
    : certificates_(std::move(certificates)),
      tickets_(std::move(tickets)),
      options_(options),
      library_(library.get()) {
  for (const Certificates::Entry& entry : certificates_->entries()) contexts_.push_back(make_context(entry));
}

TlsServer::~TlsServer() {
  // Connections that are still there hold a count on theirs.
  for (SSL_CTX* context : contexts_) SSL_CTX_free(context);
}

SSL_CTX* TlsServer::make_context(const Certificates::Entry& entry) {
  SSL_CTX* const context = SSL_CTX_new_ex(library_, nullptr, TLS_server_method());
  if (!context) refuse("SSL_CTX_new_ex");
  SSL_CTX_set_min_proto_version(context, options_.allow_tls12 ? TLS1_2_VERSION : TLS1_3_VERSION);
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                   SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA |
                                   SSL_OP_IGNORE_UNEXPECTED_EOF);
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                SSL_MODE_RELEASE_BUFFERS);
  if (SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20") != 1) refuse("cipher list");
  if (SSL_CTX_set1_groups_list(context, "X25519:P-256:P-384") != 1) refuse("groups");
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(context, 1);
  static constexpr unsigned char kSessionContext[] = "envgate";
  SSL_CTX_set_session_id_context(context, kSessionContext, sizeof(kSessionContext) - 1);
  SSL_CTX_set_ex_data(context, server_index(), tickets_.get());
  SSL_CTX_set_tlsext_ticket_key_evp_cb(context, ticket_key);
  SSL_CTX_set_tlsext_servername_callback(context, choose_certificate);
  SSL_CTX_set_tlsext_servername_arg(context, this);
  SSL_CTX_set_alpn_select_cb(context, choose_protocol, nullptr);
  use_certificate(context, entry, library_);
  return context;
}

SSL_CTX* TlsServer::context_for(std::string_view server_name) const {
  return contexts_[certificates_->find(server_name)];
}

SSL* TlsServer::accept() {
  SSL* const ssl = SSL_new(contexts_.front());
  if (ssl) SSL_set_accept_state(ssl);
  return ssl;
}

TlsClient::TlsClient() : context_(SSL_CTX_new(TLS_client_method())) {
  if (!context_) refuse("SSL_CTX_new");
  SSL_CTX_set_min_proto_version(context_, TLS1_2_VERSION);
  SSL_CTX_set_options(context_, SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF);
  SSL_CTX_set_mode(context_, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                 SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_verify(context_, SSL_VERIFY_NONE, nullptr);
}

TlsClient::~TlsClient() { SSL_CTX_free(context_); }

SSL* TlsClient::connect(const std::string& server_name) {
  SSL* const ssl = SSL_new(context_);
  if (!ssl) return nullptr;
  SSL_set_tlsext_host_name(ssl, server_name.c_str());
  SSL_set_connect_state(ssl);
  return ssl;
}

}  // namespace envgate::net
