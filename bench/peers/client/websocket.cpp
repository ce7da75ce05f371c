// websocket: port host path connections messages bytes
//
// Closed loop: every connection sends a masked frame of `bytes` (at most 125), waits for the same bytes back,
// and sends the next, until `messages` have come back in all.
#include <sys/epoll.h>

#include <cstdio>
#include <memory>
#include <vector>

#include "http.hpp"
#include "modes.hpp"
#include "tls.hpp"

namespace envgate::bench {
namespace {

constexpr char kMask[] = {0x11, 0x22, 0x33, 0x44};  // a client must mask (RFC 6455, 5.3)

class Echo {
 public:
  Echo(SSL_CTX* context, const Arguments& arguments)
      : tls_(context, static_cast<std::uint16_t>(arguments.number("port")), arguments.text("host")) {
    upgrade(tls_, arguments.text("host"), arguments.text("path"));
    const std::size_t size = arguments.number("bytes");
    if (size > 125) throw Failure("bytes=... may be 125 at most");
    frame_ = {static_cast<char>(0x82), static_cast<char>(0x80 | size)};
    frame_.append(kMask, sizeof kMask);
    expected_ = {static_cast<char>(0x82), static_cast<char>(size)};
    for (std::size_t i = 0; i < size; ++i) {
      expected_ += static_cast<char>('a' + i % 26);
      frame_ += static_cast<char>(expected_.back() ^ kMask[i % 4]);
    }
    set_nonblocking(tls_.fd());
  }

  int fd() const { return tls_.fd(); }
  void send() { tls_.write(frame_); }

  // Did a whole message come?
  bool receive() {
    char some[256];
    while (const auto got = tls_.read(some, sizeof some)) {
      if (*got == 0) throw Failure("a WebSocket was ended");
      received_.append(some, *got);
    }
    if (received_.size() < expected_.size()) return false;
    if (received_ != expected_) throw Failure("other bytes came back than were sent");
    received_.clear();
    return true;
  }

 private:
  Tls tls_;
  std::string frame_, expected_, received_;
};

}  // namespace

void websocket(const Arguments& arguments) {
  const Context context = client_context("http/1.1");
  const std::uint64_t messages = arguments.number("messages"), connections = arguments.number("connections");
  const Fd epoll = make_epoll();
  std::vector<std::unique_ptr<Echo>> all;
  for (std::uint64_t i = 0; i < connections; ++i) {
    all.push_back(std::make_unique<Echo>(context.get(), arguments));
    watch(epoll.get(), all.back()->fd(), EPOLLIN, all.back().get());
  }
  for (const auto& echo : all) echo->send();
  std::uint64_t sent = connections, received = 0;
  while (received < messages) {
    epoll_event events[64];
    const int ready = ::epoll_wait(epoll.get(), events, 64, 30'000);
    if (ready <= 0) throw Failure("no message within 30 s");
    for (int i = 0; i < ready; ++i) {
      Echo& echo = *static_cast<Echo*>(events[i].data.ptr);
      if (!echo.receive()) continue;
      ++received;
      if (sent++ < messages) echo.send();
    }
  }
  std::printf("{\"messages\": %llu}\n", static_cast<unsigned long long>(received));
}

}  // namespace envgate::bench
