// idle: kind=h1|h2|ws port host path connections
//
// Opens the connections, uses each once, prints "ready" and holds them until its input ends. That a proxy
// ended one meanwhile is an error: what it freed would flatter it.
#include <sys/socket.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <vector>

#include "h2.hpp"
#include "http.hpp"
#include "modes.hpp"
#include "threads.hpp"
#include "tls.hpp"

namespace envgate::bench {
namespace {

struct Held {
  std::unique_ptr<Tls> tls;
  std::unique_ptr<H2Client> h2;  // before tls goes, this does
};

Held open(const Arguments& arguments, SSL_CTX* context) {
  const std::string &kind = arguments.text("kind"), &host = arguments.text("host"),
                    &path = arguments.text("path");
  Held held;
  held.tls = std::make_unique<Tls>(context, static_cast<std::uint16_t>(arguments.number("port")), host);
  int status = 200;
  if (kind == "ws") {
    upgrade(*held.tls, host, path);
  } else if (kind == "h2") {
    held.h2 = std::make_unique<H2Client>(*held.tls, host, path);
    status = held.h2->get().status;
  } else {
    held.tls->write(get_request(host, path));
    status = AnswerReader(*held.tls).read().status;
  }
  if (status != 200) throw Failure("answered with " + std::to_string(status));
  return held;
}

bool alive(int fd) {
  char byte = 0;
  const ssize_t got = ::recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return got > 0 || (got < 0 && errno == EAGAIN);
}

}  // namespace

void idle(const Arguments& arguments) {
  const Context context = client_context(arguments.text("kind") == "h2" ? "h2" : "http/1.1");
  std::vector<Held> all(arguments.number("connections"));
  std::atomic<std::size_t> next{0};
  share_out(all.size(), 8, [&](std::uint64_t, std::uint64_t share) {
    for (; share > 0; --share) all[next++] = open(arguments, context.get());
  });
  std::puts("ready");
  std::fflush(stdout);
  while (std::getchar() != EOF) continue;
  std::size_t gone = 0;
  for (const Held& held : all) gone += !alive(held.tls->fd());
  if (gone != 0) throw Failure(std::to_string(gone) + " idle connections were ended");
}

}  // namespace envgate::bench
