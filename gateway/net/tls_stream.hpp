// TLS over a socket, as a Stream. OpenSSL reads through a BIO of ours, which knows what the socket knows: it
// spares the read that would only find EAGAIN, takes header and body of a record in one call, lends its
// buffer only while bytes are in it, and lets records that are held back leave together. Owns: the SSL;
// borrows the socket, which must outlive it. Thread: the reactor's.
#pragma once

#include <string>
#include <string_view>

#include "gateway/loop/task.hpp"
#include "gateway/net/buffer.hpp"
#include "gateway/net/socket.hpp"

struct ssl_st;

namespace envgate::net {

class TlsStream final : public Stream {
 public:
  TlsStream() = default;
  ~TlsStream() override;
  TlsStream(const TlsStream&) = delete;
  TlsStream& operator=(const TlsStream&) = delete;

  // Takes the SSL; `received` are bytes that were already read from the socket (after a PROXY header, say).
  void open(Socket& socket, ssl_st* ssl, std::string_view received = {});

  // Errors: ETIMEDOUT, EPROTO (with OpenSSL's reason), or the socket's own.
  loop::Task<Result<void>> handshake(loop::Deadline deadline);

  std::string_view server_name() const;   // SNI; empty where the client sent none
  std::string_view protocol() const;      // ALPN; empty where none was chosen
  const char* version() const;            // "TLSv1.3"
  bool resumed() const;

  IoResult try_read(std::span<char> into) override;
  // After `blocked` the next call must begin with the same bytes (SSL_write(3)).
  IoResult try_write(std::span<const iovec> from) override;
  void hold(bool on) override { hold_ = on; }
  IoResult try_flush() override;
  void shutdown_write() override;
  void abort(bool reset) override { socket_->abort(reset); }
  loop::Watch& watch() override { return socket_->watch(); }
  bool has_pending() const override;

 private:
  friend struct TlsBio;
  static void forget_errors();
  IoResult outcome(int result);
  int fill(char* into, std::size_t size);
  int drain(const char* from, std::size_t size);
  IoResult encrypt(std::span<const iovec> from);

  Socket* socket_ = nullptr;
  ssl_st* ssl_ = nullptr;
  Buffer received_;      // from the socket, not yet asked for by OpenSSL
  Outbox kept_;           // records that have not left
  std::size_t owed_ = 0;  // bytes in kept_ that try_write has not yet said to be done
  int socket_error_ = 0;
  bool ended_ = false;   // the socket has no more
  bool hold_ = false, gathering_ = false;
  bool failed_ = false;  // after a fatal error SSL_shutdown must not be called (SSL_get_error(3))
};

}  // namespace envgate::net
