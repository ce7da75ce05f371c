// The admin API's server: the Unix socket for envctl, and the plain HTTP listener that only tells metrics and
// health. It has a thread and a reactor of its own, since its calls wait for workers and walk whole tables:
// nothing it does may hold up the data plane. Thread: main's; what it serves runs on its own.
#pragma once

#include <memory>
#include <thread>
#include <vector>

#include "base/result.hpp"
#include "base/unix_socket.hpp"
#include "gateway/admin/context.hpp"
#include "gateway/admin/message.hpp"
#include "gateway/loop/reactor.hpp"
#include "gateway/loop/scope.hpp"
#include "gateway/net/listener.hpp"

namespace envgate::gateway {
struct GatewaySettings;
}

namespace envgate::admin {

class Server {
 public:
  explicit Server(gateway::Gateway& gateway);
  ~Server();

  // Makes the admin socket and binds metrics.bind. Requires: before rights are dropped and threads are
  // started.
  Result<void> bind(const gateway::GatewaySettings& settings);
  void start();  // Requires: the workers run until stop() has returned
  void stop();   // Idempotent. Ends connections, joins the thread, removes the socket.

 private:
  class Door;
  Response answer(Request& request);
  loop::Task<void> serve(Door& door, net::Accepted accepted);

  Context context_;
  loop::Reactor reactor_;
  UnixSocket socket_;
  std::vector<std::unique_ptr<Door>> doors_;
  loop::Scope connections_;  // after the doors, which count them
  std::thread thread_;
};

}  // namespace envgate::admin
