#include "control/cli/tls_pump.hpp"

#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

namespace envgate::cli {
namespace {

constexpr std::size_t kBlock = 64 * 1024;

// One direction's bytes, between being read and being written.
class Block {
 public:
  bool empty() const { return begin_ == end_; }
  char* data() { return bytes_.data() + begin_; }
  std::size_t size() const { return end_ - begin_; }
  char* space() { return bytes_.data(); }  // Requires: empty
  void filled(std::size_t n) { begin_ = 0, end_ = n; }
  void consume(std::size_t n) { begin_ += n; }

 private:
  std::vector<char> bytes_ = std::vector<char>(kBlock);
  std::size_t begin_ = 0, end_ = 0;
};

// Non-blocking while it lives, where the descriptor is a pipe or a socket, whose reader may be slow: this
// process must not sleep in write(2) while the other direction has work. A terminal or file is left as it is.
// The flag belongs to the open file, which others may share: it is put back.
class NonBlocking {
 public:
  explicit NonBlocking(int fd) : fd_(fd) {
    struct stat kind {};
    if (::fstat(fd, &kind) != 0 || !(S_ISFIFO(kind.st_mode) || S_ISSOCK(kind.st_mode))) return;
    flags_ = ::fcntl(fd, F_GETFL);
    if (flags_ >= 0 && !(flags_ & O_NONBLOCK)) ::fcntl(fd, F_SETFL, flags_ | O_NONBLOCK);
  }
  NonBlocking(const NonBlocking&) = delete;
  NonBlocking& operator=(const NonBlocking&) = delete;
  ~NonBlocking() { restore(); }
  void restore() {
    if (flags_ >= 0) ::fcntl(fd_, F_SETFL, flags_);
    flags_ = -1;
  }

 private:
  int fd_;
  int flags_ = -1;
};

class Pump {
 public:
  Pump(SSL* ssl, int input, int output) : ssl_(ssl), input_(input), output_(output), quiet_(output) {}

  Result<void> run() {
    while (!(input_ended_ && remote_ended_)) {
      bool moved = false;
      for (const auto step : {&Pump::receive, &Pump::print, &Pump::send, &Pump::finish_sending}) {
        auto did = (this->*step)();
        if (!did) return tl::unexpected(did.error());
        moved = moved || *did;
      }
      if (moved) continue;
      auto waited = wait();
      if (!waited) return waited;
    }
    return {};
  }

 private:
  using Step = Result<bool>;  // whether anything was moved

  // What a call to OpenSSL that moved nothing waits for; false where it has failed for good.
  bool note(int error) {
    switch (error) {
      case SSL_ERROR_WANT_READ:
        want_ |= POLLIN;
        return true;
      case SSL_ERROR_WANT_WRITE:
        want_ |= POLLOUT;
        return true;
      default:
        return false;
    }
  }

  Failure broken() const {
    const unsigned long code = ERR_peek_last_error();
    if (code && ERR_GET_REASON(code) != SSL_R_UNEXPECTED_EOF_WHILE_READING)
      return fail(std::string("the connection broke off: ") + ERR_reason_error_string(code));
    return fail("the gateway closed the connection (the session was ended, or the gateway has stopped)");
  }

  Step receive() {
    if (!to_print_.empty() || remote_ended_) return false;
    ERR_clear_error();
    const int got = SSL_read(ssl_, to_print_.space(), kBlock);
    if (got > 0) {
      to_print_.filled(static_cast<std::size_t>(got));
      return true;
    }
    const int error = SSL_get_error(ssl_, got);
    if (error == SSL_ERROR_ZERO_RETURN) {
      quiet_.restore();
      ::close(output_);
      remote_ended_ = true;
      return true;
    }
    return note(error) ? Step(false) : Step(broken());
  }

  Step print() {
    if (to_print_.empty()) return false;
    const ssize_t wrote = ::write(output_, to_print_.data(), to_print_.size());
    if (wrote > 0)
      to_print_.consume(static_cast<std::size_t>(wrote));
    else if (errno != EAGAIN && errno != EINTR)
      return fail_errno("standard output", errno);
    return wrote > 0;
  }

  Step send() {
    if (to_send_.empty()) return false;
    ERR_clear_error();
    const int sent = SSL_write(ssl_, to_send_.data(), static_cast<int>(to_send_.size()));
    if (sent > 0) {
      to_send_.consume(static_cast<std::size_t>(sent));
      return true;
    }
    return note(SSL_get_error(ssl_, sent)) ? Step(false) : Step(broken());
  }

  // RFC 8446 section 6.1: close_notify ends one direction, and the other goes on.
  Step finish_sending() {
    if (!input_closed_ || !to_send_.empty() || input_ended_) return false;
    ERR_clear_error();
    const int rc = SSL_shutdown(ssl_);  // 0: sent, and the peer's has not come yet
    input_ended_ = rc >= 0;
    return rc >= 0 || note(SSL_get_error(ssl_, rc)) ? Step(input_ended_) : Step(broken());
  }

  Result<void> wait() {
    const bool read_input = to_send_.empty() && !input_closed_;
    pollfd fds[] = {
        {read_input ? input_ : -1, POLLIN, 0},
        {remote_ended_ ? -1 : output_, static_cast<short>(to_print_.empty() ? 0 : POLLOUT), 0},
        // Not where nothing is wanted: a hang-up is told whether it is wanted or not, and again and again.
        {want_ || remote_ended_ ? SSL_get_fd(ssl_) : -1, want_, 0}};
    want_ = 0;
    if (::poll(fds, 3, -1) < 0)
      return errno == EINTR ? Result<void>() : Result<void>(fail_errno("poll", errno));
    if (fds[1].revents & (POLLERR | POLLNVAL)) return fail_errno("standard output", EPIPE);
    // After the peer's close_notify nothing is read any more: that both directions are gone is told by poll
    // alone.
    if (remote_ended_ && (fds[2].revents & (POLLERR | POLLHUP))) input_ended_ = true;
    if (fds[0].revents) return read();
    return {};
  }

  Result<void> read() {
    const ssize_t got = ::read(input_, to_send_.space(), kBlock);
    if (got > 0)
      to_send_.filled(static_cast<std::size_t>(got));
    else if (got == 0)
      input_closed_ = true;
    else if (errno != EAGAIN && errno != EINTR)
      return fail_errno("standard input", errno);
    return {};
  }

  SSL* const ssl_;
  const int input_, output_;
  NonBlocking quiet_;
  Block to_send_, to_print_;
  short want_ = 0;
  bool input_closed_ = false;  // it has ended; what was read may still be on its way
  bool input_ended_ = false;   // and the peer was told
  bool remote_ended_ = false;
};

}  // namespace

Result<void> pump(ssl_st* ssl, int input, int output) { return Pump(ssl, input, output).run(); }

}  // namespace envgate::cli
