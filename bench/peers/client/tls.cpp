#include "tls.hpp"

#include <openssl/err.h>

#include "arguments.hpp"

namespace envgate::bench {
namespace {

constexpr char kCipher[] = "TLS_AES_128_GCM_SHA256";

[[noreturn]] void fail_tls(const std::string& what) {
  char text[256] = "the peer ended the connection";
  if (const unsigned long code = ::ERR_get_error()) ::ERR_error_string_n(code, text, sizeof text);
  throw Failure(what + ": " + text);
}

Context make_context(const SSL_METHOD* method) {
  Context context(::SSL_CTX_new(method));
  ::SSL_CTX_set_min_proto_version(context.get(), TLS1_3_VERSION);
  ::SSL_CTX_set_ciphersuites(context.get(), kCipher);
  ::SSL_CTX_set1_groups_list(context.get(), "X25519");
  ::SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS);
  // nginx, for one, ends a connection without close_notify; what must come is counted instead.
  ::SSL_CTX_set_options(context.get(), SSL_OP_IGNORE_UNEXPECTED_EOF);
  return context;
}

}  // namespace

Context client_context(const std::string& protocol) {
  Context context = make_context(::TLS_client_method());
  const std::string wire = static_cast<char>(protocol.size()) + protocol;
  ::SSL_CTX_set_alpn_protos(context.get(), reinterpret_cast<const unsigned char*>(wire.data()),
                            static_cast<unsigned>(wire.size()));
  return context;
}

Context server_context(const std::string& cert, const std::string& key) {
  Context context = make_context(::TLS_server_method());
  if (::SSL_CTX_use_certificate_chain_file(context.get(), cert.c_str()) != 1 ||
      ::SSL_CTX_use_PrivateKey_file(context.get(), key.c_str(), SSL_FILETYPE_PEM) != 1) {
    fail_tls("cannot read " + cert + " and " + key);
  }
  return context;
}

Tls::Tls(SSL_CTX* context, std::uint16_t port, const std::string& name, SSL_SESSION* ticket)
    : fd_(connect_loopback(port)), ssl_(::SSL_new(context)) {
  ::SSL_set_fd(ssl_.get(), fd());
  ::SSL_set_tlsext_host_name(ssl_.get(), name.c_str());
  if (ticket) ::SSL_set_session(ssl_.get(), ticket);
  if (::SSL_connect(ssl_.get()) != 1) fail_tls("TLS handshake");
}

Tls::Tls(SSL_CTX* context, Fd fd) : fd_(std::move(fd)), ssl_(::SSL_new(context)) {
  ::SSL_set_fd(ssl_.get(), this->fd());
  ::SSL_set_accept_state(ssl_.get());
}

Ticket Tls::ticket() const {
  Ticket session(::SSL_get1_session(ssl_.get()));
  if (session && ::SSL_SESSION_is_resumable(session.get()) != 1) session.reset();
  return session;
}

void Tls::write(std::string_view bytes) {
  const int written = ::SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size()));
  if (written != static_cast<int>(bytes.size())) fail_tls("TLS write");
}

std::optional<std::size_t> Tls::read(char* to, std::size_t most) {
  const int got = ::SSL_read(ssl_.get(), to, static_cast<int>(most));
  if (got > 0) return static_cast<std::size_t>(got);
  switch (::SSL_get_error(ssl_.get(), got)) {
    case SSL_ERROR_ZERO_RETURN:
      return 0;
    case SSL_ERROR_WANT_READ:
      return std::nullopt;
    case SSL_ERROR_SYSCALL:
      if (got == 0) return 0;
      [[fallthrough]];
    default:
      fail_tls("TLS read");
  }
}

}  // namespace envgate::bench
