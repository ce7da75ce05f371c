#include "gateway/relay/relay.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "gateway/loop/fair_share.hpp"
#include "gateway/loop/scope.hpp"
#include "gateway/net/buffer.hpp"
#include "gateway/relay/pipe.hpp"
#include "gateway/ssh/banner.hpp"

namespace envgate::relay {
namespace {

using loop::Direction;
using net::IoResult;
using net::IoStatus;

// Spliced: about a millisecond at 4 GB/s.
constexpr std::size_t kSplicedShare = 4 << 20;

// A splice of less costs more than copying it: two calls, and the pipe's pages.
constexpr std::size_t kLittle = 8 * 1024;

// What both directions of one relay share: the first cause of the end, and the watch over silence.
class Shared final : loop::Timer {
 public:
  Shared(net::Stream& client, net::Stream& target, const Options& options, Progress& progress)
      : client_(client), target_(target), idle_(options.idle_timeout), progress_(progress) {
    progress_.last_activity = now();
    if (idle_.count() > 0) reactor().timers().arm(*this, now() + idle_);
  }

  void finish(End end) {
    if (end_ == End::closed) end_ = end;
    client_.abort(end == End::target_reset);
    target_.abort(end == End::client_reset);
  }

  void moved(bool from_client, std::size_t bytes) {
    (from_client ? progress_.to_target : progress_.to_client) += bytes;
    progress_.last_activity = now();
  }

  // True for the second direction that ends.
  bool ended() { return std::exchange(one_ended_, true); }

  loop::Reactor& reactor() { return client_.watch().reactor(); }
  End end() const { return end_; }

 private:
  loop::Time now() { return reactor().now(); }
  void expired() override {
    const loop::Time due = progress_.last_activity + idle_;
    if (due > now()) reactor().timers().arm(*this, due);
    else finish(End::idle);
  }

  net::Stream& client_;
  net::Stream& target_;
  loop::Clock::duration idle_;
  Progress& progress_;
  End end_ = End::closed;
  bool one_ended_ = false;
};

// One direction, seen from the side that is read.
struct Way {
  Shared& shared;
  const Options& options;
  bool from_client;
  bool sockets;  // between two of them

  std::size_t step(std::size_t most) const { return options.throttle ? options.throttle.step(most) : most; }
  // Requires: the throttle is not empty.
  loop::Sleep pause(std::size_t moved) const {
    return options.throttle.pause(shared.reactor(), from_client, moved);
  }

  void read_failed() const { shared.finish(from_client ? End::client_reset : End::target_reset); }
  void write_failed() const { shared.finish(from_client ? End::target_reset : End::client_reset); }
  // The end of one direction goes on as a FIN; that of both is the closing, a call less.
  void pass_on_end(net::Stream& to) const {
    if (!shared.ended() || !sockets) to.shutdown_write();
  }
};

// Reads the first bytes and holds them back until they are an SSH identification. False: finished.
loop::Task<bool> pass_identification(net::Stream& from, net::Stream& to, const Way& way) {
  net::Buffer seen;
  ssh::BannerScanner scanner(way.from_client ? ssh::Peer::client : ssh::Peer::server);
  const loop::Deadline deadline = way.shared.reactor().after(way.options.banner_timeout);
  for (;;) {
    const IoResult got = from.try_read(seen.space());
    if (got.ok()) {
      seen.commit(got.bytes);
      const ssh::Banner banner = scanner.scan(seen.bytes());
      if (banner.state == ssh::Banner::not_ssh || (banner.state == ssh::Banner::need_more && seen.full()))
        break;
      if (banner.state == ssh::Banner::need_more) continue;
      const IoResult sent = co_await net::write_all(to, seen.bytes(), loop::kNever);
      if (sent.ok()) way.shared.moved(way.from_client, seen.size());
      else way.write_failed();
      co_return sent.ok();
    }
    if (got.status == IoStatus::end) break;
    if (got.status == IoStatus::error) {
      way.read_failed();
      co_return false;
    }
    if (seen.empty()) seen.release();
    const bool ready = co_await loop::WatchReady(from.watch(), got.wait_for, deadline);
    if (!ready) {
      way.shared.finish(way.from_client ? End::client_too_slow : End::target_too_slow);
      co_return false;
    }
  }
  way.shared.finish(way.from_client ? End::client_not_ssh : End::target_not_ssh);
  co_return false;
}

enum class Flow : std::uint8_t { over, goes_on, bulk };

// One read, passed on. Apart from the waiting for it, so that an idle relay holds little memory.
loop::Task<Flow> copy_piece(net::Stream& from, net::Stream& to, const Way& way, loop::FairShare& share) {
  net::Buffer buffer;
  const std::span<char> room = buffer.space();
  const IoResult got = from.try_read(room.first(way.step(room.size())));
  if (got.status == IoStatus::blocked) {
    // A part of a TLS record; or TLS wants to write first, which the next write of ours does as well.
    buffer.release();
    if (got.wait_for == Direction::write)
      co_await loop::WatchReady(from.watch(), Direction::write, loop::kNever);
    co_return Flow::goes_on;
  }
  if (got.status == IoStatus::error) co_return way.read_failed(), Flow::over;
  if (got.status == IoStatus::end) co_return way.pass_on_end(to), Flow::over;
  const IoResult sent = co_await net::write_all(to, {room.data(), got.bytes}, loop::kNever);
  if (!sent.ok()) co_return way.write_failed(), Flow::over;
  way.shared.moved(way.from_client, got.bytes);
  buffer.release();
  if (way.options.throttle) co_await way.pause(got.bytes);
  if (way.sockets && got.bytes == room.size()) co_return Flow::bulk;
  if (share.used_up(got.bytes)) co_await loop::yield(way.shared.reactor());
  co_return Flow::goes_on;
}

// Copies until the end; between sockets until a read fills the buffer: then it is bulk, and goes on by
// splice.
loop::Task<Flow> copy(net::Stream& from, net::Stream& to, const Way& way) {
  loop::FairShare share(loop::kCopiedShare);
  for (;;) {
    co_await net::wait_readable(from, loop::kNever);
    const Flow flow = co_await copy_piece(from, to, way, share);
    if (flow != Flow::goes_on) co_return flow;
  }
}

// Fills the pipe with what the socket has: bytes moved. 0: nothing now, or the end, as `error` tells: EAGAIN,
// another errno, or 0 for the end. What arrives in small segments is gathered: one call empties them all.
std::size_t fill(net::Socket& from, Pipe& pipe, std::size_t size, int& error) {
  while (pipe.held < size) {
    const ssize_t moved = ::splice(from.fd(), nullptr, pipe.write_end(), nullptr, size - pipe.held,
                                   SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    if (moved > 0) {
      pipe.held += static_cast<std::size_t>(moved);
      continue;
    }
    error = moved == 0 ? 0 : errno;
    if (error == EINTR) continue;
    // EAGAIN: no bytes, or no room for more buffers, however small; the next call finds out which.
    if (error == EAGAIN && pipe.held == 0) from.watch().clear(Direction::read);
    break;
  }
  return pipe.held;
}

// Empties the pipe into the socket. False: the socket is broken.
loop::Task<bool> drain(Pipe& pipe, net::Socket& to, const Way& way) {
  while (pipe.held > 0) {
    const ssize_t moved =
        ::splice(pipe.read_end(), nullptr, to.fd(), nullptr, pipe.held, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    if (moved > 0) {
      pipe.held -= static_cast<std::size_t>(moved);
      way.shared.moved(way.from_client, static_cast<std::size_t>(moved));
    } else if (moved < 0 && errno == EINTR) {
      continue;
    } else if (moved < 0 && errno == EAGAIN) {
      to.watch().clear(Direction::write);
      co_await loop::WatchReady(to.watch(), Direction::write, loop::kNever);
    } else {
      co_return false;
    }
  }
  co_return true;
}

// Splices until the end, or until little comes, which is better copied.
loop::Task<Flow> splice(net::Socket& from, net::Socket& to, const Way& way) {
  loop::FairShare share(kSplicedShare);
  const std::size_t step = way.step(way.options.pipe_size);
  Pipe pipe;
  for (;;) {
    if (!from.watch().ready(Direction::read)) {
      pipe.give_back();
      co_await loop::WatchReady(from.watch(), Direction::read, loop::kNever);
    }
    if (!pipe.is_open() && !pipe.take(way.options.pipe_size)) co_return Flow::goes_on;
    int error = 0;
    const std::size_t got = fill(from, pipe, step, error);
    if (got == 0 && error == EAGAIN) continue;
    if (got == 0 && error == 0) co_return way.pass_on_end(to), Flow::over;
    if (got == 0) co_return way.read_failed(), Flow::over;
    const bool drained = co_await drain(pipe, to, way);
    if (!drained) co_return way.write_failed(), Flow::over;
    if (way.options.throttle) co_await way.pause(got);
    if (got < kLittle) co_return Flow::goes_on;
    if (share.used_up(got)) co_await loop::yield(way.shared.reactor());
  }
}

loop::Task<void> between_streams(net::Stream& from, net::Stream& to, Way way) {
  if (way.options.require_ssh) {
    const bool is_ssh = co_await pass_identification(from, to, way);
    if (!is_ssh) co_return;
  }
  co_await copy(from, to, way);
}

loop::Task<void> between_sockets(net::Socket& from, net::Socket& to, Way way) {
  if (way.options.require_ssh) {
    const bool is_ssh = co_await pass_identification(from, to, way);
    if (!is_ssh) co_return;
  }
  for (;;) {
    const Flow copied = co_await copy(from, to, way);
    if (copied == Flow::over) co_return;
    const Flow spliced = co_await splice(from, to, way);
    if (spliced == Flow::over) co_return;
  }
}

}  // namespace

std::string_view to_string(End end) {
  static constexpr std::string_view kNames[] = {
      "closed",         "client_reset",   "target_reset",    "idle",
      "client_not_ssh", "target_not_ssh", "client_too_slow", "target_too_slow"};
  return kNames[static_cast<std::size_t>(end)];
}

loop::Task<End> relay_sockets(net::Socket& client, net::Socket& target, const Options& options,
                              Progress& progress) {
  Shared shared(client, target, options, progress);
  loop::Scope ways;
  ways.start(between_sockets(client, target, Way{shared, options, true, true}));
  ways.start(between_sockets(target, client, Way{shared, options, false, true}));
  co_await ways.ended();
  co_return shared.end();
}

loop::Task<End> relay_streams(net::Stream& client, net::Stream& target, const Options& options,
                              Progress& progress) {
  Shared shared(client, target, options, progress);
  loop::Scope ways;
  ways.start(between_streams(client, target, Way{shared, options, true, false}));
  ways.start(between_streams(target, client, Way{shared, options, false, false}));
  co_await ways.ended();
  co_return shared.end();
}

}  // namespace envgate::relay
