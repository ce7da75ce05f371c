#include "gateway/relay/relay.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>

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
};

// One direction, seen from the side that is read.
struct Way {
  Shared& shared;
  const Options& options;
  bool from_client;

  std::size_t step(std::size_t most) const { return options.throttle ? options.throttle.step(most) : most; }
  // Requires: the throttle is not empty.
  loop::Sleep pause(std::size_t moved) const {
    return options.throttle.pause(shared.reactor(), from_client, moved);
  }

  void read_failed() const { shared.finish(from_client ? End::client_reset : End::target_reset); }
  void write_failed() const { shared.finish(from_client ? End::target_reset : End::client_reset); }
};

// Looks at the first bytes without taking them, until they are an SSH identification. False: finished.
loop::Task<bool> check_identification(net::Socket& from, const Way& way) {
  // Shared by all relays of the thread: the bytes stay in the socket, and nothing suspends while they are
  // looked at.
  thread_local std::array<char, ssh::kServerLinesMax + ssh::kIdentificationMax> seen;
  ssh::BannerScanner scanner(way.from_client ? ssh::Peer::client : ssh::Peer::server);
  const loop::Deadline deadline = way.shared.reactor().after(way.options.banner_timeout);
  for (;;) {
    const IoResult peeked = from.try_peek(seen);
    if (peeked.ok()) {
      const ssh::Banner banner = scanner.scan({seen.data(), peeked.bytes});
      if (banner.state == ssh::Banner::ssh) co_return true;
      if (banner.state == ssh::Banner::not_ssh || peeked.bytes == seen.size()) break;
      from.watch().clear(Direction::read);  // the bytes stay; only new ones are news
      if (from.watch().ready(Direction::read)) break;  // the peer has closed: no more will come
    } else if (peeked.status == IoStatus::error) {
      way.read_failed();
      co_return false;
    } else if (peeked.status == IoStatus::end) {
      break;
    }
    const bool ready = co_await loop::WatchReady(from.watch(), Direction::read, deadline);
    if (!ready) {
      way.shared.finish(way.from_client ? End::client_too_slow : End::target_too_slow);
      co_return false;
    }
  }
  way.shared.finish(way.from_client ? End::client_not_ssh : End::target_not_ssh);
  co_return false;
}

loop::Task<void> copy(net::Stream& from, net::Stream& to, Way way) {
  loop::FairShare share(loop::kCopiedShare);
  for (;;) {
    co_await net::wait_readable(from, loop::kNever);
    net::Buffer buffer;
    const std::span<char> room = buffer.space();
    const IoResult got = from.try_read(room.first(way.step(room.size())));
    if (got.status == IoStatus::blocked) {
      // A part of a TLS record; or TLS wants to write first, which the next write of ours does as well.
      buffer.release();
      if (got.wait_for == Direction::write)
        co_await loop::WatchReady(from.watch(), Direction::write, loop::kNever);
      continue;
    }
    if (got.status == IoStatus::error) co_return way.read_failed();
    if (got.status == IoStatus::end) co_return to.shutdown_write();
    const IoResult sent = co_await net::write_all(to, {room.data(), got.bytes}, loop::kNever);
    if (!sent.ok()) co_return way.write_failed();
    way.shared.moved(way.from_client, got.bytes);
    if (way.options.throttle) {
      buffer.release();
      co_await way.pause(got.bytes);
    }
    if (share.used_up(got.bytes)) co_await loop::yield(way.shared.reactor());
  }
}

// Fills the pipe with what the socket has. 0: the end; < 0: -errno.
ssize_t fill(net::Socket& from, Pipe& pipe, std::size_t size) {
  ssize_t moved;
  do moved = ::splice(from.fd(), nullptr, pipe.write_end(), nullptr, size, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
  while (moved < 0 && errno == EINTR);
  if (moved < 0) return -errno;
  pipe.held = static_cast<std::size_t>(moved);
  return moved;
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

loop::Task<void> splice_way(net::Socket& from, net::Socket& to, Way way) {
  if (way.options.require_ssh) {
    const bool is_ssh = co_await check_identification(from, way);
    if (!is_ssh) co_return;
  }
  loop::FairShare share(kSplicedShare);
  const std::size_t step = way.step(way.options.pipe_size);
  Pipe pipe;
  for (;;) {
    if (!from.watch().ready(Direction::read)) {
      pipe.give_back();
      co_await loop::WatchReady(from.watch(), Direction::read, loop::kNever);
    }
    if (!pipe.is_open() && !pipe.take(way.options.pipe_size)) {
      co_await copy(from, to, way);
      co_return;
    }
    const ssize_t got = fill(from, pipe, step);
    if (got == -EAGAIN) {
      from.watch().clear(Direction::read);
      continue;
    }
    if (got == 0) co_return to.shutdown_write();
    if (got < 0) co_return way.read_failed();
    // The pipe takes 16 buffers or more, however small: a splice of fewer bytes than that did not stop for
    // want of room, so the socket is empty and the splice that would only say EAGAIN is spared. Keystrokes
    // are such.
    if (got < 16) from.watch().clear(Direction::read);
    const bool drained = co_await drain(pipe, to, way);
    if (!drained) co_return way.write_failed();
    if (way.options.throttle) co_await way.pause(static_cast<std::size_t>(got));
    if (share.used_up(static_cast<std::size_t>(got))) co_await loop::yield(way.shared.reactor());
  }
}

loop::Task<void> copy_way(net::Stream& from, net::Stream& to, Way way) {
  if (way.options.require_ssh && !way.from_client) {
    const bool is_ssh = co_await check_identification(static_cast<net::Socket&>(from), way);
    if (!is_ssh) co_return;
  }
  co_await copy(from, to, way);
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
  ways.start(splice_way(client, target, Way{shared, options, true}));
  ways.start(splice_way(target, client, Way{shared, options, false}));
  co_await ways.ended();
  co_return shared.end();
}

loop::Task<End> relay_streams(net::Stream& client, net::Stream& target, const Options& options,
                              Progress& progress) {
  Shared shared(client, target, options, progress);
  loop::Scope ways;
  ways.start(copy_way(client, target, Way{shared, options, true}));
  ways.start(copy_way(target, client, Way{shared, options, false}));
  co_await ways.ended();
  co_return shared.end();
}

}  // namespace envgate::relay
