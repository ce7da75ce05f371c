// One face for what carries bytes: a socket, or TLS over one. The try_ functions never block and never
// suspend; the awaitables below suspend on them with a deadline. Tests put a fake in its place.
//
// Thread: the reactor's. Errors: values in IoResult; a peer that resets is an error, a peer that closes is
// `end`.
#pragma once

#include <sys/uio.h>

#include <cerrno>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "gateway/loop/event.hpp"
#include "gateway/loop/reactor.hpp"

namespace envgate::net {

enum class IoStatus : std::uint8_t {
  done,     // `bytes` > 0 were moved
  blocked,  // nothing now; wait for `wait_for`
  end,      // the peer has closed its direction (reads only)
  error,    // `error` is an errno; EPROTO for a TLS failure, ETIMEDOUT for a deadline
};

struct IoResult {
  IoStatus status = IoStatus::blocked;
  loop::Direction wait_for = loop::Direction::read;  // where blocked: TLS may need the other one
  int error = 0;
  std::size_t bytes = 0;

  static IoResult done(std::size_t n) { return {IoStatus::done, loop::Direction::read, 0, n}; }
  static IoResult blocked(loop::Direction d) { return {IoStatus::blocked, d, 0, 0}; }
  static IoResult end() { return {IoStatus::end, loop::Direction::read, 0, 0}; }
  static IoResult failed(int error) { return {IoStatus::error, loop::Direction::read, error, 0}; }
  bool ok() const { return status == IoStatus::done; }
};

class Stream {
 public:
  virtual ~Stream() = default;

  virtual IoResult try_read(std::span<char> into) = 0;
  virtual IoResult try_write(std::span<const iovec> from) = 0;

  // More will be written at once: what is written until this is taken back may be kept, in bounds, to leave
  // together with it. Whoever asks for it takes it back, or flushes, before it waits for anything else.
  virtual void hold(bool) {}
  // Lets go what was kept. done: all of it has left; else blocked or an error. Hold stays as it is.
  virtual IoResult try_flush() { return IoResult::done(0); }

  // Sends FIN (and close_notify under TLS) after what was written; reads go on.
  virtual void shutdown_write() = 0;

  // Ends both directions at once: every waiter wakes and finds an end or an error. The fd stays open until
  // the stream is destroyed. `reset`: the peer is told by RST, so that it cannot take a cut for a proper end.
  virtual void abort(bool reset) = 0;

  virtual loop::Watch& watch() = 0;

  // Whether bytes may be there that epoll will not announce (decrypted, or still in a record).
  virtual bool has_pending() const { return false; }

  // A reader that has gone idle: give back what was lent for reading.
  virtual void release_idle() {}
};

// The common part of the awaitables: tries, waits for the direction that the try named, tries again.
class IoWait : public loop::Waiter, public loop::Timer {
 public:
  IoWait(Stream& stream, loop::Deadline deadline) : stream_(stream), deadline_(deadline) {}
  IoWait(const IoWait&) = delete;
  IoWait& operator=(const IoWait&) = delete;

  bool await_ready() {
    result_ = attempt();
    return result_.status != IoStatus::blocked;
  }
  void await_suspend(std::coroutine_handle<> handle);
  IoResult await_resume() const noexcept { return result_; }

 protected:
  ~IoWait() {
    if (handle_) stream_.watch().disarm(result_.wait_for);
  }
  virtual IoResult attempt() = 0;
  Stream& stream_;

 private:
  void ready() override;
  void expired() override;
  void finish();

  loop::Deadline deadline_;
  IoResult result_;
  std::coroutine_handle<> handle_;
};

// co_await read_some(...): done with 1 or more bytes, end, or error.
class ReadSome final : public IoWait {
 public:
  ReadSome(Stream& stream, std::span<char> into, loop::Deadline deadline)
      : IoWait(stream, deadline), into_(into) {}

 private:
  IoResult attempt() override { return stream_.try_read(into_); }
  std::span<char> into_;
};
inline ReadSome read_some(Stream& stream, std::span<char> into, loop::Deadline deadline) {
  return {stream, into, deadline};
}

// co_await write_all(...): done with every byte of one or two pieces, or error. The pieces must stay as they
// are until it resumes.
class WriteAll final : public IoWait {
 public:
  WriteAll(Stream& stream, std::string_view first, std::string_view second, loop::Deadline deadline);

 private:
  IoResult attempt() override;
  iovec pieces_[2];
  int at_ = 0;
  std::size_t written_ = 0;
};
inline WriteAll write_all(Stream& stream, std::string_view bytes, loop::Deadline deadline) {
  return {stream, bytes, {}, deadline};
}
inline WriteAll write_all(Stream& stream, std::string_view head, std::string_view body,
                          loop::Deadline deadline) {
  return {stream, head, body, deadline};
}

// co_await flush_all(...): done once nothing is held back, or error.
class FlushAll final : public IoWait {
 public:
  using IoWait::IoWait;

 private:
  IoResult attempt() override { return stream_.try_flush(); }
};
inline FlushAll flush_all(Stream& stream, loop::Deadline deadline) { return {stream, deadline}; }

// co_await wait_readable(...): true when a read would not block, false when the deadline came first. Holds no
// buffer meanwhile, so that an idle connection has none.
inline loop::WatchReady wait_readable(Stream& stream, loop::Deadline deadline) {
  return {stream.watch(), loop::Direction::read, deadline, stream.has_pending()};
}

}  // namespace envgate::net
