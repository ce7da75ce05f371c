#include "gateway/acceptor.hpp"

#include <algorithm>

#include "gateway/metrics.hpp"

namespace envgate::gateway {
namespace {

constexpr int kAcceptsPerTurn = 256;
constexpr std::chrono::milliseconds kExhaustedPause{100};

}  // namespace

Worker& least_loaded(Worker& here, const Workers& workers) {
  Worker* best = &here;
  for (const auto& worker : workers)
    if (worker->load() < best->load()) best = worker.get();
  // Handing over costs a wake-up of the other core: not for a difference that evens out by itself.
  const unsigned mine = here.load(), least = best->load();
  return mine - least > std::max(2u, mine / 10) ? *best : here;
}

Acceptor::Acceptor(Worker& worker, const Workers& workers, Serve serve)
    : worker_(worker), workers_(workers), serve_(std::move(serve)) {}

Result<void> Acceptor::open(Fd listening) {
  auto opened = listener_.open(worker_.reactor, std::move(listening));
  if (opened) listener_.watch().arm(loop::Direction::read, *this);
  return opened;
}

void Acceptor::close() {
  disarm();
  if (listener_.is_open()) listener_.close();
}

void Acceptor::finish() {
  if (!listener_.is_open()) return;
  net::Accepted accepted;
  while (listener_.accept(accepted) == net::Listener::Outcome::accepted) place(std::move(accepted));
  close();
}

void Acceptor::accept_waiting() {
  net::Accepted accepted;
  for (int i = 0; i < kAcceptsPerTurn; ++i) {
    switch (listener_.accept(accepted)) {
      case net::Listener::Outcome::accepted: place(std::move(accepted)); break;
      case net::Listener::Outcome::none: return;
      case net::Listener::Outcome::exhausted:
        Metrics::refused("out_of_descriptors");
        log::error("accept_failed")
            .text("error", "no file descriptor is left; raise LimitNOFILE (ulimit -n)");
        worker_.reactor.timers().arm(*this, worker_.reactor.now() + kExhaustedPause);
        return;
    }
  }
  // More are waiting, but others want their turn; the edge will not come again by itself.
  worker_.reactor.timers().arm(*this, worker_.reactor.now());
}

void Acceptor::place(net::Accepted accepted) {
  Worker& chosen = least_loaded(worker_, workers_);
  if (&chosen == &worker_) return worker_.serve(serve_(worker_, std::move(accepted)));
  // std::function must be copyable, an owned fd is not.
  const auto parcel = std::make_shared<net::Accepted>(std::move(accepted));
  chosen.reactor.post([&chosen, serve = serve_, parcel] { chosen.serve(serve(chosen, std::move(*parcel))); });
}

}  // namespace envgate::gateway
