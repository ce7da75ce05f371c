// One listening socket on one worker. Each connection goes to the worker with the least to do: SO_REUSEPORT
// spreads connections by hash, which at a hundred of them can leave one core with well over its share.
// Thread: its worker's.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "gateway/net/listener.hpp"
#include "gateway/worker.hpp"

namespace envgate::gateway {

using Workers = std::vector<std::unique_ptr<Worker>>;
using Serve = std::function<loop::Task<void>(Worker&, net::Accepted)>;

class Acceptor final : loop::Waiter, loop::Timer {
 public:
  Acceptor(Worker& worker, const Workers& workers, Serve serve);
  ~Acceptor() { close(); }

  Result<void> open(Fd listening);
  // Takes in what already waits in the backlog (it was promised service), then stops listening.
  void finish();
  void close();

 private:
  void ready() override { accept_waiting(); }
  void expired() override { accept_waiting(); }
  void accept_waiting();
  void place(net::Accepted accepted);

  Worker& worker_;
  const Workers& workers_;
  Serve serve_;
  net::Listener listener_;
};

// The worker that should serve a connection which `here` has accepted: itself, unless another has clearly
// less.
Worker& least_loaded(Worker& here, const Workers& workers);

}  // namespace envgate::gateway
