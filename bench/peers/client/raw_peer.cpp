// A TCP server that greets as SSH does, and then obeys a line: "up N" takes N bytes, "down N" sends N.
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "arguments.hpp"
#include "peer.hpp"

namespace envgate::bench {
namespace {

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

}  // namespace

std::unique_ptr<Peer> make_raw_peer(Fd fd) { return std::make_unique<RawPeer>(std::move(fd)); }

}  // namespace envgate::bench
