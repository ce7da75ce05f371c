#include "gateway/http/tunnel.hpp"

#include "gateway/loop/event.hpp"
#include "gateway/loop/scope.hpp"
#include "gateway/net/buffer.hpp"

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

}  // namespace

loop::Task<std::string_view> run_tunnel(gateway::Worker& worker, Exchange& exchange,
                                        TargetConnection& connection, const relay::Throttle& throttle,
                                        relay::Progress& progress) {
  relay::Options options;
  options.throttle = throttle;
  options.idle_timeout = worker.settings->timeouts.tunnel_idle;
  net::Buffer early;
  if (net::Stream* const client = exchange.tunnel(early)) {
    // What either side sent behind its handshake goes first; the relay takes over behind it.
    const net::IoResult written = co_await net::write_all(connection.stream(), early.bytes(), loop::kNever);
    if (!written.ok()) co_return "target_reset";
    progress.to_target += early.size();
    early.release();
    const net::IoResult answered =
        co_await net::write_all(*client, connection.received.bytes(), loop::kNever);
    if (!answered.ok()) co_return "client_reset";
    progress.to_client += connection.received.size();
    connection.received.release();
    const relay::End end = co_await relay::relay_streams(*client, connection.stream(), options, progress);
    co_return end == relay::End::closed ? "success" : relay::to_string(end);
  }
  progress.last_activity = worker.reactor.now();
  bool reset = false;
  IdleWatch idle(exchange, connection.stream(), progress, options.idle_timeout);
  loop::Scope ways;
  ways.start(to_target(exchange, connection.stream(), throttle, progress));
  ways.start(to_client(exchange, connection, throttle, progress, reset));
  co_await ways.ended();
  co_return idle.fired() ? "idle" : reset ? "target_reset" : "success";
}

}  // namespace envgate::http
