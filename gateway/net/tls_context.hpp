// The server side of TLS: certificates chosen by SNI, ticket keys that rotate, and the SSL_CTXs built from
// them.
//
// Certificates are loaded and checked once and shared; each reactor builds its own contexts from them in a
// library context of its own, which avoids OpenSSL 3.0's lock contention (FACTS, "HTTPS"). New files mean a
// new Certificates and new contexts; connections keep the ones that they began with. Thread: Certificates
// immutable, any; TicketKeys any; TlsServer the reactor's.
#pragma once

#include <array>
#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hpp"

struct ssl_st;
struct ssl_ctx_st;
struct ossl_lib_ctx_st;

namespace envgate::net {

struct CertificateFiles {
  std::string certificate;  // PEM: the leaf first, then its chain
  std::string key;          // PEM
};

class Certificates {
 public:
  struct Entry {
    std::string chain_pem, key_pem;
    std::vector<std::string> names;  // DNS names of the leaf, lower case; "*.example.org" for a wildcard
    std::chrono::system_clock::time_point expires;
  };

  // Errors: every file that cannot be read, does not parse, or whose key does not belong to its certificate.
  static Result<std::shared_ptr<const Certificates>> load(const std::vector<CertificateFiles>& files);

  const std::vector<Entry>& entries() const { return entries_; }

  // The entry for a server name: exact, then wildcard, else 0.
  std::size_t find(std::string_view server_name) const;

 private:
  std::vector<Entry> entries_;
};

// Keys for TLS session tickets, shared by all reactors: the newest seals, the two before it still open.
class TicketKeys {
 public:
  struct Key {
    std::array<unsigned char, 16> name;
    std::array<unsigned char, 32> cipher, mac;
  };

  TicketKeys() { rotate(); }
  void rotate();
  Key newest() const;
  // False where no key has that name; `stale` when it is not the newest.
  bool find(const unsigned char* name, Key& out, bool& stale) const;

 private:
  mutable std::mutex mutex_;
  std::vector<Key> keys_;  // newest first
};

struct TlsOptions {
  bool allow_tls12 = true;
};

// OpenSSL's global state for one reactor. Requires: outlives every connection made under it.
class TlsLibrary {
 public:
  TlsLibrary();
  ~TlsLibrary();
  TlsLibrary(const TlsLibrary&) = delete;
  TlsLibrary& operator=(const TlsLibrary&) = delete;
  ossl_lib_ctx_st* get() const { return library_; }

 private:
  ossl_lib_ctx_st* library_;
};

// Requires: stays alive while one of its connections is in its handshake.
class TlsServer {
 public:
  // Throws std::runtime_error where OpenSSL refuses what Certificates::load has accepted.
  TlsServer(TlsLibrary& library, std::shared_ptr<const Certificates> certificates,
            std::shared_ptr<TicketKeys> tickets, TlsOptions options);
  ~TlsServer();
  TlsServer(const TlsServer&) = delete;
  TlsServer& operator=(const TlsServer&) = delete;

  // A new server-side connection object; the caller owns it.
  ssl_st* accept();

  ssl_ctx_st* context_for(std::string_view server_name) const;
  const TicketKeys& tickets() const { return *tickets_; }

 private:
  ssl_ctx_st* make_context(const Certificates::Entry& entry);

  std::shared_ptr<const Certificates> certificates_;
  std::shared_ptr<TicketKeys> tickets_;
  TlsOptions options_;
  ossl_lib_ctx_st* library_;
  std::vector<ssl_ctx_st*> contexts_;  // as certificates_->entries()
};

// The client side, towards targets whose route says https: their certificates are the tenant's own and prove
// nothing to us, so they are not verified; the encryption is for the target's sake.
class TlsClient {
 public:
  TlsClient();
  ~TlsClient();
  TlsClient(const TlsClient&) = delete;
  TlsClient& operator=(const TlsClient&) = delete;
  ssl_st* connect(const std::string& server_name);

 private:
  ssl_ctx_st* context_;
};

}  // namespace envgate::net
