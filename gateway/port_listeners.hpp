// The listening ports of routes (ssh and tcp), on one worker: opened and closed as routes come and go,
// without a restart and without touching a session. A port belongs to the worker `port % workers`. Thread:
// its worker's.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <unordered_map>

#include "gateway/acceptor.hpp"
#include "routing/router.hpp"

namespace envgate::gateway {

class PortListeners final : loop::Timer {
 public:
  PortListeners(Worker& worker, const Workers& workers);

  // The ports that `changes` name, as the table has them now.
  void apply(std::span<const routing::RouteChange> changes);
  void finish();  // as Acceptor::finish, for all
  std::size_t size() const { return open_.size(); }

 private:
  void update(std::uint16_t port);
  void expired() override;
  template <typename Visit>
  static void for_each_port(const routing::RoutePtr& route, Visit visit);

  Worker& worker_;
  const Workers& workers_;
  std::unordered_map<std::uint16_t, std::unique_ptr<Acceptor>> open_;
  std::unordered_map<std::uint16_t, int> failed_;  // to be tried again
  bool finished_ = false;
};

}  // namespace envgate::gateway
