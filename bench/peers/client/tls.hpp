// TLS for the load client: always 1.3 with AES-128-GCM and X25519, whatever a server would rather have, so
// that every proxy does the same work. Blocking; after `set_nonblocking` a read may say "not now".
#pragma once

#include <openssl/ssl.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "socket.hpp"

namespace envgate::bench {

struct Free {
  void operator()(SSL* ssl) const { ::SSL_free(ssl); }
  void operator()(SSL_CTX* context) const { ::SSL_CTX_free(context); }
  void operator()(SSL_SESSION* session) const { ::SSL_SESSION_free(session); }
};
using Context = std::unique_ptr<SSL_CTX, Free>;
using Ticket = std::unique_ptr<SSL_SESSION, Free>;

// `protocol`: offered by ALPN, "h2" or "http/1.1".
Context client_context(const std::string& protocol);
Context server_context(const std::string& cert, const std::string& key);

class Tls {
 public:
  // Client: connects and shakes hands. Errors: Failure.
  Tls(SSL_CTX* context, std::uint16_t port, const std::string& name, SSL_SESSION* ticket = nullptr);
  // Server: takes a connection; its handshake happens in the first reads.
  Tls(SSL_CTX* context, Fd fd);

  int fd() const { return fd_.get(); }
  bool resumed() const { return ::SSL_session_reused(ssl_.get()) == 1; }
  Ticket ticket() const;  // of the last session, once something was read; null where the server gives none
  void write(std::string_view bytes);
  // How many bytes came; 0: the peer has ended; nullopt: not now (non-blocking only).
  std::optional<std::size_t> read(char* to, std::size_t most);
  void end() { ::SSL_shutdown(ssl_.get()); }  // says so to the peer; waits for nothing

 private:
  Fd fd_;
  std::unique_ptr<SSL, Free> ssl_;
};

}  // namespace envgate::bench
