// serve: echo=PORT echo_tls=PORT raw=PORT cert key       each port is optional
//
// The servers behind the proxies, on one epoll loop: a WebSocket echo, in the clear or over TLS, and a TCP
// server that greets as SSH does and then takes or sends many bytes. Runs until it is ended.
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "modes.hpp"
#include "peer.hpp"
#include "socket.hpp"
#include "tls.hpp"

namespace envgate::bench {
namespace {

enum class Kind { echo, echo_tls, raw };

struct Listener {
  Kind kind;
  Fd fd;
};

std::unique_ptr<Peer> make_peer(Kind kind, Fd fd, SSL_CTX* context) {
  if (kind == Kind::raw) return make_raw_peer(std::move(fd));
  return make_echo_peer(std::move(fd), kind == Kind::echo_tls ? context : nullptr);
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
  const Context context =
      arguments.has("echo_tls") ? server_context(arguments.text("cert"), arguments.text("key")) : Context();
  const Fd epoll = make_epoll();
  std::vector<std::unique_ptr<Listener>> listeners;
  for (const auto& [key, kind] :
       {std::pair("echo", Kind::echo), std::pair("echo_tls", Kind::echo_tls), std::pair("raw", Kind::raw)}) {
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
