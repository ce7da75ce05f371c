#include "gateway/admin/server.hpp"

#include <pthread.h>

#include "base/log.hpp"
#include "gateway/admin/connection.hpp"
#include "gateway/admin/operations.hpp"
#include "gateway/gateway.hpp"

namespace envgate::admin {
namespace {

constexpr unsigned kMostConnections = 64;  // at each door: strangers at one cannot shut the other
constexpr std::chrono::milliseconds kExhaustedPause{100};
constexpr std::chrono::seconds kHearOut{1};
constexpr std::size_t kHearOutBytes = 16 * 1024;

// Allowed are root, our own effective account, and members of `group`.
Caller check_caller(int fd, gid_t group) {
  const auto peer = peer_of(fd);
  if (!peer) return {};
  return {true, peer->is_ours() || peer->in_group(group), peer->pid, peer->uid, peer->gid};
}

}  // namespace

// One listening socket and the connections that came through it.
class Server::Door final : loop::Waiter, loop::Timer {
 public:
  Door(Server& server, bool is_unix) : server_(server), unix_(is_unix) {}

  Result<void> open(Fd listening) {
    auto opened = listener_.open(server_.reactor_, std::move(listening));
    if (opened) listener_.watch().arm(loop::Direction::read, *this);
    return opened;
  }
  void close() {
    disarm();
    listener_.close();
  }
  bool is_unix() const { return unix_; }
  bool full() const { return open_ > kMostConnections; }

  // Counts a connection while it lives.
  class Place {
   public:
    explicit Place(Door& door) : door_(door) { ++door_.open_; }
    ~Place() { --door_.open_; }
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;

   private:
    Door& door_;
  };

 private:
  void ready() override { accept_waiting(); }
  void expired() override { accept_waiting(); }
  void accept_waiting() {
    for (net::Accepted accepted;;) {
      switch (listener_.accept(accepted)) {
        case net::Listener::Outcome::accepted:
          server_.connections_.start(server_.serve(*this, std::move(accepted)));
          break;
        case net::Listener::Outcome::none: return;
        case net::Listener::Outcome::exhausted:
          server_.reactor_.timers().arm(*this, server_.reactor_.now() + kExhaustedPause);
          return;
      }
    }
  }

  Server& server_;
  const bool unix_;
  unsigned open_ = 0;
  net::Listener listener_;
};

Server::Server(gateway::Gateway& gateway) : context_(gateway) {}
Server::~Server() { stop(); }

Result<void> Server::bind(const gateway::GatewaySettings& settings) {
  const auto open_door = [this](Result<Fd> fd, bool is_unix) -> Result<void> {
    if (!fd) return tl::unexpected(fd.error());
    doors_.push_back(std::make_unique<Door>(*this, is_unix));
    return doors_.back()->open(std::move(*fd));
  };
  if (!settings.admin.socket.empty()) {
    auto opened = open_door(socket_.listen(settings.admin.socket, {"admin.socket", settings.user,
                                                                   settings.admin.group, "admin.group"}),
                            true);
    if (!opened) return opened;
  }
  if (!settings.metrics.bind) return {};
  return open_door(bind_listener(*settings.metrics.bind, {.reuse_port = false, .backlog = 64}), false);
}

void Server::start() {
  thread_ = std::thread([this] { reactor_.run(); });
  ::pthread_setname_np(thread_.native_handle(), "envgate-admin");
}

void Server::stop() {
  const auto close_all = [this] {
    connections_.cancel();
    for (const auto& door : doors_) door->close();
  };
  if (thread_.joinable()) {
    reactor_.post(close_all);
    reactor_.stop();
    thread_.join();
  } else {
    close_all();
  }
  socket_.remove();
}

Response Server::answer(Request& request) {
  const auto found = find_operation(operations(), request);
  if (!found) {
    if (found.error().status == 403)
      log::warn("admin_refused")
          .text("call", request.method_name + " " + request.path)
          .number("uid", request.caller.uid)
          .number("gid", request.caller.gid)
          .number("pid", request.caller.pid);
    return found.error();
  }
  const Operation& operation = **found;
  Response response;
  try {
    response = operation.handle(context_, request);
  } catch (const std::exception& thrown) {  // a library's: the API must outlive it
    log::error("admin_failed")
        .text("call", request.method_name + " " + request.path)
        .text("error", thrown.what());
    response = problem(500, std::string("the call failed: ") + thrown.what());
  }
  if (operation.right == Right::change)
    log::info("admin_change")
        .text("call", request.method_name + " " + request.path)
        .number("status", response.status)
        .number("uid", request.caller.uid)
        .number("gid", request.caller.gid)
        .number("pid", request.caller.pid);
  return response;
}

// A caller that was answered before it asked must be able to ask all the same, or it would die of EPIPE
// unanswered.
static loop::Task<void> hear_out(net::Socket& socket) {
  socket.shutdown_write();
  const loop::Deadline deadline = socket.watch().reactor().after(kHearOut);
  // Bounded in bytes too: one who sends without a pause would never let this thread go.
  for (std::size_t heard = 0; heard < kHearOutBytes;) {
    const bool ready = co_await net::wait_readable(socket, deadline);
    if (!ready) break;
    char waste[512];
    const net::IoResult got = socket.try_read(waste);
    if (got.status == net::IoStatus::end || got.status == net::IoStatus::error) break;
    heard += got.bytes;
  }
}

loop::Task<void> Server::serve(Door& door, net::Accepted accepted) {
  const Door::Place place(door);
  net::Socket socket;
  if (!socket.open(reactor_, std::move(accepted.fd))) co_return;
  if (door.full()) {
    const std::string text = to_http(problem(503, "too many admin connections; try again"), true, false);
    const iovec piece{const_cast<char*>(text.data()), text.size()};
    socket.try_write({&piece, 1});
    co_await hear_out(socket);
    co_return;
  }
  const Caller caller = door.is_unix() ? check_caller(socket.fd(), socket_.group()) : Caller();
  // Named, since the task keeps references to both until it ends.
  const ConnectionLimits limits;
  const Answer reply = [this](Request& request) { return answer(request); };
  co_await serve_connection(socket, caller, limits, reply);
}

}  // namespace envgate::admin
