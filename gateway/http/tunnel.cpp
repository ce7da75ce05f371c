#include "gateway/http/tunnel.hpp"

#include "gateway/loop/event.hpp"
#include "gateway/loop/scope.hpp"
#include "gateway/net/buffer.hpp"
#include "gateway/relay/relay.hpp"

namespace envgate::http {
namespace {

// HTTP/2 has no stream of its own to relay: the tunnel is the exchange's body both ways (RFC 8441 section 4).
loop::Task<void> to_target(Exchange& exchange, net::Stream& target, const relay::Throttle& throttle,
                           relay::Progress& progress) {
  loop::Reactor& reactor = target.watch().reactor();
  for (;;) {
    const BodyPiece piece = co_await exchange.read_body(loop::kNever);
    if (piece.state == BodyPiece::failed) co_return target.abort(true);
    if (piece.state == BodyPiece::end) co_return target.shutdown_write();
    const net::IoResult written = co_await net::write_all(target, piece.bytes, loop::kNever);
    if (!written.ok()) co_return;
    progress.to_target += piece.bytes.size();
    progress.last_activity = reactor.now();
    if (throttle)
      co_await throttle.pause(reactor, true, piece.bytes.size());
  }
}

loop::Task<void> to_client(Exchange& exchange, TargetConnection& connection, const relay::Throttle& throttle,
                           relay::Progress& progress, bool& reset) {
  net::Buffer buffer = std::move(connection.received);
  net::Stream& target = connection.stream();
  loop::Reactor& reactor = target.watch().reactor();
  for (;;) {
    if (!buffer.empty()) {
      const bool sent = co_await exchange.send_body(buffer.bytes());
      if (!sent) {
        target.abort(true);
        co_return;
      }
      progress.to_client += buffer.size();
      progress.last_activity = reactor.now();
      if (throttle) co_await throttle.pause(reactor, false, buffer.size());
    }
    buffer.release();
    co_await net::wait_readable(target, loop::kNever);
    const net::IoResult got = co_await net::read_some(target, buffer.space(), loop::kNever);
    if (got.status == net::IoStatus::end) break;
    if (!got.ok()) {
      reset = true;
      exchange.abort();
      co_return;
    }
    buffer.commit(got.bytes);
  }
  static const FieldList kNoTrailers;
  co_await exchange.send_end(kNoTrailers);
}

// Ends an HTTP/2 tunnel that has been silent too long.
class IdleWatch final : loop::Timer {
 public:
  IdleWatch(Exchange& exchange, net::Stream& target, const relay::Progress& progress,
            loop::Clock::duration limit)
      : exchange_(exchange), target_(target), progress_(progress), limit_(limit) {
    if (limit_.count() > 0) arm(reactor().now() + limit_);
  }
  bool fired() const { return fired_; }

 private:
  loop::Reactor& reactor() { return target_.watch().reactor(); }
  void arm(loop::Time due) { reactor().timers().arm(*this, due); }
  void expired() override {
    const loop::Time due = progress_.last_activity + limit_;
    if (due > reactor().now()) return arm(due);
    fired_ = true;
    target_.abort(true);
    exchange_.abort();
  }
  Exchange& exchange_;
  net::Stream& target_;
  const relay::Progress& progress_;
  loop::Clock::duration limit_;
  bool fired_ = false;
};

// What either side sent behind its handshake, before the relay takes over. A literal where that failed.
loop::Task<std::string_view> send_first(net::Stream& client, net::Buffer early, TargetConnection& target,
                                        relay::Progress& progress) {
  const net::IoResult written = co_await net::write_all(target.stream(), early.bytes(), loop::kNever);
  if (!written.ok()) co_return "target_reset";
  progress.to_target += early.size();
  const net::IoResult answered = co_await net::write_all(client, target.received.bytes(), loop::kNever);
  if (!answered.ok()) co_return "client_reset";
  progress.to_client += target.received.size();
  target.received.release();
  co_return "success";
}

// An HTTP/2 stream.
loop::Task<std::string_view> tunnel_exchange(Exchange& exchange, TargetConnection& target,
                                             const relay::Options& options, relay::Progress& progress) {
  progress.last_activity = target.socket.watch().reactor().now();
  bool reset = false;
  IdleWatch idle(exchange, target.stream(), progress, options.idle_timeout);
  loop::Scope ways;
  ways.start(to_target(exchange, target.stream(), options.throttle, progress));
  ways.start(to_client(exchange, target, options.throttle, progress, reset));
  co_await ways.ended();
  co_return idle.fired() ? "idle" : reset ? "target_reset" : "success";
}

}  // namespace

loop::Task<void> run_tunnel(gateway::Worker& worker, gateway::Session& session, Exchange& exchange,
                            const routing::Route& route, Forwarded& out) {
  TargetConnection& target = *out.tunnel_target;
  relay::Options options;
  options.throttle = gateway::throttle_of(worker, route);
  options.idle_timeout = worker.settings->timeouts.tunnel_idle;
  net::Buffer early;
  net::Stream* const client = exchange.tunnel(early);
  // HTTP/2 carries several tunnels: each counts for itself, and is added to the session when it is over.
  relay::Progress own;
  relay::Progress& progress = client ? session.progress : own;
  const relay::Progress before = progress;
  if (client) {
    session.target_stream = &target.stream();
    out.result = co_await send_first(*client, std::move(early), target, progress);
    if (out.result == "success") {
      const relay::End end = co_await relay::relay_streams(*client, target.stream(), options, progress);
      if (end != relay::End::closed) out.result = relay::to_string(end);
    }
    session.target_stream = nullptr;
  } else {
    out.result = co_await tunnel_exchange(exchange, target, options, progress);
    session.progress.to_target += own.to_target;
    session.progress.to_client += own.to_client;
  }
  out.to_target = progress.to_target - before.to_target;
  out.to_client = progress.to_client - before.to_client;
  out.tunnel_target.reset();
}

}  // namespace envgate::http
