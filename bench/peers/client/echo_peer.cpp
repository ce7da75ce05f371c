// A WebSocket echo (RFC 6455) as far as our own client needs one: whole frames of 125 bytes at most.
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <sys/socket.h>

#include <cerrno>
#include <optional>
#include <string>
#include <utility>

#include "arguments.hpp"
#include "peer.hpp"
#include "tls.hpp"

namespace envgate::bench {
namespace {

std::string accept_key(const std::string& key) {  // RFC 6455, 4.2.2
  const std::string text = key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  unsigned char digest[SHA_DIGEST_LENGTH], encoded[64];
  ::SHA1(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest);
  const int size = ::EVP_EncodeBlock(encoded, digest, sizeof digest);
  return std::string(reinterpret_cast<char*>(encoded), static_cast<std::size_t>(size));
}

class EchoPeer : public Peer {
 public:
  EchoPeer(Fd fd, SSL_CTX* context) {
    if (context) {
      tls_ = std::make_unique<Tls>(context, std::move(fd));
    } else {
      fd_ = std::move(fd);
    }
  }

  bool step() override {
    char some[4096];
    while (const auto got = read(some, sizeof some)) {
      if (*got == 0) return false;
      in_.append(some, *got);
    }
    if (!upgraded_ && !answer_upgrade()) return true;
    return echo_frames();
  }

 private:
  std::optional<std::size_t> read(char* to, std::size_t most) {
    if (tls_) return tls_->read(to, most);
    const ssize_t got = ::recv(fd_.get(), to, most, 0);
    if (got < 0 && errno == EAGAIN) return std::nullopt;
    return got < 0 ? 0 : static_cast<std::size_t>(got);
  }

  void write(const std::string& bytes) {
    if (tls_) return tls_->write(bytes);
    send_all(fd_.get(), bytes);
  }

  bool answer_upgrade() {
    const std::size_t end = in_.find("\r\n\r\n");
    if (end == std::string::npos) return false;
    std::string lower = in_.substr(0, end);
    for (char& c : lower) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
    const std::size_t at = lower.find("sec-websocket-key:");
    if (at == std::string::npos) throw Failure("not a WebSocket's upgrade");
    const std::size_t from = in_.find_first_not_of(' ', at + 18);
    write(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: "
        "Upgrade\r\nSec-WebSocket-Accept: " +
        accept_key(in_.substr(from, in_.find("\r\n", from) - from)) + "\r\n\r\n");
    in_.erase(0, end + 4);
    return upgraded_ = true;
  }

  // Masked frames of 125 bytes at most, as our client sends them; a close frame ends the connection.
  bool echo_frames() {
    std::string out;
    std::size_t at = 0;
    while (in_.size() >= at + 6) {
      const std::size_t size = static_cast<unsigned char>(in_[at + 1]) & 0x7f;
      if (size > 125 || (in_[at] & 0x0f) == 8) return false;
      if (in_.size() < at + 6 + size) break;
      out += in_[at];
      out += static_cast<char>(size);
      for (std::size_t i = 0; i < size; ++i) out += static_cast<char>(in_[at + 6 + i] ^ in_[at + 2 + i % 4]);
      at += 6 + size;
    }
    in_.erase(0, at);
    if (!out.empty()) write(out);
    return true;
  }

  Fd fd_;
  std::unique_ptr<Tls> tls_;
  std::string in_;
  bool upgraded_ = false;
};

}  // namespace

std::unique_ptr<Peer> make_echo_peer(Fd fd, SSL_CTX* context) {
  return std::make_unique<EchoPeer>(std::move(fd), context);
}

}  // namespace envgate::bench
