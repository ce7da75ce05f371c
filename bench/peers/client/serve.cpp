// serve: echo=PORT echo_tls=PORT raw=PORT cert key       each port is optional
//
// The servers behind the proxies, on one epoll loop: a WebSocket echo, in the clear or over TLS, and a TCP server
// that greets as SSH does and then takes ("up N") or sends ("down N") N bytes. Runs until it is ended.
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <memory>
#include <vector>

#include "modes.hpp"
#include "socket.hpp"
#include "tls.hpp"

namespace envgate::bench {
namespace {

struct Listener;

// One connection; an edge-triggered event calls step until nothing more can be done.
class Peer {
 public:
  virtual ~Peer() = default;
  virtual bool step() = 0;  // false: it has ended
};

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
    write("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " +
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

class RawPeer : public Peer {
 public:
  explicit RawPeer(Fd fd) : fd_(std::move(fd)) { send_all(fd_.get(), "SSH-2.0-target\r\n"); }

  bool step() override { return read_all() && write_all(); }

 private:
  static constexpr std::size_t kPiece = 256 * 1024;

  bool read_all() {
    for (;;) {
      // Within an upload the kernel drops the bytes (MSG_TRUNC, tcp(7)), but for the last piece's bounds.
      const ssize_t got = ::recv(fd_.get(), piece_.data(), piece_.size(), to_take_ > 0 ? MSG_TRUNC : 0);
      if (got < 0) return errno == EAGAIN;
      if (got == 0) return false;
      if (to_take_ > 0) {
        take(static_cast<std::uint64_t>(got));
      } else {
        lines_.append(piece_.data(), static_cast<std::size_t>(got));
        while (obey_line()) continue;
      }
    }
  }

  void take(std::uint64_t bytes) {
    if (bytes > to_take_) throw Failure("more came than was announced");
    to_take_ -= bytes;
    if (to_take_ == 0) send_all(fd_.get(), "got " + std::to_string(announced_) + "\n");
  }

  // A banner, "up N" or "down N"; of an upload the first bytes may already be here.
  bool obey_line() {
    const std::size_t end = lines_.find('\n');
    if (end == std::string::npos) return false;
    const std::string line = lines_.substr(0, end);
    lines_.erase(0, end + 1);
    if (line.compare(0, 5, "down ") == 0) to_send_ = std::strtoull(line.c_str() + 5, nullptr, 10);
    if (line.compare(0, 3, "up ") != 0) return true;
    announced_ = to_take_ = std::strtoull(line.c_str() + 3, nullptr, 10);
    const std::size_t early = lines_.size();
    lines_.clear();
    if (early > 0) take(early);
    return false;
  }

  bool write_all() {
    while (to_send_ > 0) {
      const std::size_t size = std::min<std::uint64_t>(to_send_, kPiece);
      const ssize_t sent = ::send(fd_.get(), piece_.data(), size, MSG_NOSIGNAL);
      if (sent < 0) return errno == EAGAIN;
      to_send_ -= static_cast<std::uint64_t>(sent);
    }
    return true;
  }

  inline static std::vector<char> piece_ = std::vector<char>(kPiece);  // one for all: nothing stays in it
  Fd fd_;
  std::string lines_;
  std::uint64_t to_take_ = 0, announced_ = 0, to_send_ = 0;
};

enum class Kind { echo, echo_tls, raw };

struct Listener {
  Kind kind;
  Fd fd;
};

std::unique_ptr<Peer> make_peer(Kind kind, Fd fd, SSL_CTX* context) {
  if (kind == Kind::raw) return std::make_unique<RawPeer>(std::move(fd));
  return std::make_unique<EchoPeer>(std::move(fd), kind == Kind::echo_tls ? context : nullptr);
}

void accept_all(const Listener& listener, int epoll, SSL_CTX* context) {
  for (;;) {
    const int fd = ::accept4(listener.fd.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    Peer* peer = make_peer(listener.kind, Fd(fd), context).release();  // owned by its place in epoll
    watch(epoll, fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, peer);
  }
}

void step(Peer* peer) {
  bool goes_on = false;
  try {
    goes_on = peer->step();
  } catch (const Failure&) {  // one connection's end; the client at its other end tells what it missed
  }
  if (!goes_on) delete peer;
}

}  // namespace

void serve(const Arguments& arguments) {
  const Context context = arguments.has("echo_tls") ? server_context(arguments.text("cert"), arguments.text("key"))
                                                    : Context();
  const Fd epoll = make_epoll();
  std::vector<std::unique_ptr<Listener>> listeners;
  for (const auto& [key, kind] : {std::pair("echo", Kind::echo), std::pair("echo_tls", Kind::echo_tls),
                                  std::pair("raw", Kind::raw)}) {
    if (!arguments.has(key)) continue;
    const auto port = static_cast<std::uint16_t>(arguments.number(key));
    listeners.push_back(std::make_unique<Listener>(Listener{kind, listen_loopback(port)}));
    watch(epoll.get(), listeners.back()->fd.get(), EPOLLIN, listeners.back().get());
  }
  for (;;) {
    epoll_event events[64];
    const int ready = ::epoll_wait(epoll.get(), events, 64, -1);
    for (int i = 0; i < ready; ++i) {
      const auto is_this = [&](const auto& listener) { return listener.get() == events[i].data.ptr; };
      const auto found = std::find_if(listeners.begin(), listeners.end(), is_this);
      if (found != listeners.end()) {
        accept_all(**found, epoll.get(), context.get());
      } else {
        step(static_cast<Peer*>(events[i].data.ptr));
      }
    }
  }
}

}  // namespace envgate::bench
