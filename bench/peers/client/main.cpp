// The load client of bench/peers, for what h2load (nghttp2) cannot do: a connection for each request, resumed
// sessions, WebSockets, latency at a fixed rate, idle connections, raw TCP behind an SSH banner. Also the
// servers behind the proxies that nginx cannot be: WebSocket echo, and a TCP sink and source.
#include <signal.h>

#include <cstdio>
#include <cstring>
#include <exception>

#include "modes.hpp"

namespace {

using namespace envgate::bench;

struct Mode {
  const char* name;
  void (*run)(const Arguments&);
};
constexpr Mode kModes[] = {{"connects", connects},   {"requests", requests}, {"latency", latency},
                           {"websocket", websocket}, {"idle", idle},         {"banners", banners},
                           {"bulk", bulk},           {"serve", serve}};

}  // namespace

int main(int argc, char** argv) {
  ::signal(SIGPIPE, SIG_IGN);
  try {
    for (const Mode& mode : kModes) {
      if (argc < 2 || std::strcmp(argv[1], mode.name) != 0) continue;
      mode.run(Arguments(argc - 2, argv + 2));
      return 0;
    }
    std::fprintf(stderr,
                 "usage: bench_client MODE key=value...; modes: connects requests latency websocket idle "
                 "banners bulk serve\n");
    return 2;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_client: %s\n", error.what());
    return 1;
  }
}
