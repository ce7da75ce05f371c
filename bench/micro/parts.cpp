// What the parts of one request cost in process, by Google Benchmark: `bench_parts --help` tells its options.
#include <benchmark/benchmark.h>
#include <sys/socket.h>

#include <array>
#include <cstdlib>
#include <string>
#include <vector>

#include "gateway/http/h1_parser.hpp"
#include "gateway/loop/event.hpp"
#include "gateway/loop/scope.hpp"
#include "gateway/relay/relay.hpp"
#include "routing/table.hpp"

namespace {

using namespace envgate;

constexpr std::string_view kHost = "6hiflzwte2xnkroq-8888.container.gpu.example";
constexpr std::string_view kHead =
    "GET /api/kernels?1732331000 HTTP/1.1\r\n"
    "Host: 6hiflzwte2xnkroq-8888.container.gpu.example\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0\r\n"
    "Accept: application/json, text/javascript, */*; q=0.01\r\n"
    "Accept-Encoding: gzip, deflate, br\r\n"
    "Cookie: _xsrf=2|0123abcd|0123456789abcdef0123456789abcdef|1732331000; session=abcdefgh\r\n"
    "\r\n";

void host_parse(benchmark::State& state) {
  const routing::Domain domain = *routing::Domain::make("gpu.example");
  for (auto _ : state) benchmark::DoNotOptimize(domain.parse(kHost));
}
BENCHMARK(host_parse);

void h1_parse(benchmark::State& state) {
  const http::HeadLimits limits{8 * 1024, 16 * 1024, 16 * 1024, 100};
  http::RequestHead request;
  for (auto _ : state) {
    http::HeadScanner scanner(http::Side::request, limits);
    const http::Scan scan = scanner.scan(kHead);
    request.fields.clear();
    const http::Verdict verdict = http::parse_request_head(scan.head, request);
    if (!verdict.ok()) state.SkipWithError("the head was refused");
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * kHead.size()));
}
BENCHMARK(h1_parse);

routing::EnvId env_of(std::size_t number) {
  std::string name = std::to_string(number * 2654435761u % 1'000'000'007u);
  name.insert(0, 16 - name.size(), 'e');
  return *routing::EnvId::parse(name);
}

// Of names in no order, so that at a million routes it is the cache's misses that are measured.
void lookup(benchmark::State& state) {
  const auto count = static_cast<std::size_t>(state.range(0));
  routing::RouteTable table;
  std::vector<routing::EnvId> order;
  for (std::size_t i = 0; i < count; ++i) {
    routing::RouteSpec spec;
    spec.env = env_of(i);
    spec.address = IpAddress::v4(0x0a000000u + static_cast<std::uint32_t>(i));
    table.put(routing::Route::make(std::move(spec)));
  }
  for (std::size_t i = 0; i < 1 << 20; ++i) order.push_back(env_of(i * 48271 % count));
  routing::Reader reader(table);
  reader.online();
  std::size_t at = 0;
  for (auto _ : state) benchmark::DoNotOptimize(reader.find(order[at++ & (order.size() - 1)]));
}
BENCHMARK(lookup)->Arg(10'000)->Arg(100'000)->Arg(1'000'000);

// Runs `task` on a reactor until it has ended.
void run(loop::Reactor& reactor, loop::Task<void> task) {
  loop::Scope scope;
  reactor.post([&] { scope.start(std::move(task)); });
  reactor.run();
}

loop::Task<int> child() { co_return 1; }

// A task that is awaited and ends without waiting: what a call of another function costs as a coroutine.
loop::Task<void> call_children(loop::Reactor& reactor, benchmark::State& state) {
  for (auto _ : state) {
    const int one = co_await child();
    benchmark::DoNotOptimize(one);
  }
  reactor.stop();
}

void task_call(benchmark::State& state) {
  loop::Reactor reactor;
  run(reactor, call_children(reactor, state));
}
BENCHMARK(task_call);

// A task that waits for the next turn: a whole turn of the loop with an empty epoll_wait.
loop::Task<void> yield_turns(loop::Reactor& reactor, benchmark::State& state) {
  for (auto _ : state) co_await loop::yield(reactor);
  reactor.stop();
}

void task_switch(benchmark::State& state) {
  loop::Reactor reactor;
  run(reactor, yield_turns(reactor, state));
}
BENCHMARK(task_switch);

// Armed and disarmed, as every wait with a deadline does it, among 10,000 others.
void timer(benchmark::State& state) {
  struct Nothing final : loop::Timer {
    void expired() override {}
  };
  const loop::Time start{};
  loop::TimerWheel wheel(start);
  std::vector<Nothing> others(10'000);
  for (std::size_t i = 0; i < others.size(); ++i) wheel.arm(others[i], start + std::chrono::milliseconds(i));
  Nothing mine;
  for (auto _ : state) {
    wheel.arm(mine, start + std::chrono::seconds(60));
    mine.disarm();
  }
}
BENCHMARK(timer);

// One KB through the relay and back, over socket pairs: its reads and writes, and the ends' own.
struct Relayed {
  explicit Relayed(loop::Reactor& reactor) {
    std::array<int, 4> fds;
    for (std::size_t pair : {0, 2})
      if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, &fds[pair]) != 0) std::abort();
    for (std::size_t i = 0; i < fds.size(); ++i)
      if (!sockets[i].open(reactor, Fd(fds[i]))) std::abort();
  }
  std::array<net::Socket, 4> sockets;  // the client's end, the relay's two, the target's end
};

loop::Task<void> pass(net::Socket& from, net::Socket& to) {
  std::array<char, 1024> bytes{};
  co_await net::write_all(from, std::string_view(bytes.data(), bytes.size()), loop::kNever);
  for (std::size_t got = 0; got < bytes.size();) {
    const net::IoResult piece = co_await net::read_some(to, bytes, loop::kNever);
    if (!piece.ok()) std::abort();
    got += piece.bytes;
  }
}

loop::Task<void> relay_for_ever(Relayed& relayed, bool splice) {
  const relay::Options options;
  relay::Progress progress;
  loop::Task<relay::End> relaying =
      splice ? relay::relay_sockets(relayed.sockets[1], relayed.sockets[2], options, progress)
             : relay::relay_streams(relayed.sockets[1], relayed.sockets[2], options, progress);
  co_await std::move(relaying);
}

loop::Task<void> round_trips(loop::Reactor& reactor, benchmark::State& state) {
  Relayed relayed(reactor);
  loop::Scope relaying;
  relaying.start(relay_for_ever(relayed, state.range(0) == 1));
  for (auto _ : state) {
    co_await pass(relayed.sockets[0], relayed.sockets[3]);
    co_await pass(relayed.sockets[3], relayed.sockets[0]);
  }
  reactor.stop();
}

void relay_step(benchmark::State& state) {
  loop::Reactor reactor;
  run(reactor, round_trips(reactor, state));
}
BENCHMARK(relay_step)->ArgName("splice")->Arg(0)->Arg(1);

}  // namespace

BENCHMARK_MAIN();
