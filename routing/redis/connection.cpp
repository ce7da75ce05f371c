#include "routing/redis/connection.hpp"

#include <fcntl.h>
#include <hiredis/hiredis.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "base/check.hpp"

namespace envgate::routing::redis {
namespace {

constexpr std::size_t kReadSize = 65536;
constexpr int kReadsPerTurn = 16;  // then the other descriptors and the timers have their turn

std::vector<SocketAddress> unix_address(const std::string& path) {
  SocketAddress address;
  auto* name = reinterpret_cast<sockaddr_un*>(&address.storage);
  name->sun_family = AF_UNIX;
  std::memcpy(name->sun_path, path.c_str(), path.size() + 1);
  address.size = sizeof(sockaddr_un);
  return {address};
}

void tune(int fd) {
  const int one = 1;
  (void)::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  (void)::setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
}

}  // namespace

Connection::Connection(Loop& loop, Handlers handlers) : loop_(loop), handlers_(std::move(handlers)) {}

Connection::~Connection() { close(); }

void Connection::open(const Url& url, std::chrono::milliseconds timeout) {
  close();
  name_ = url.shown();
  heard_at_ = Loop::Clock::now();
  reader_ = ::redisReaderCreate();
  CHECK(reader_ != nullptr);
  timeout_ = loop_.after(timeout, [this] {
    timeout_ = 0;
    fail_with("connecting took too long");
  });
  if (!url.path.empty()) return connect_to(unix_address(url.path));
  lookup_ = resolve_host(loop_, url.host, url.port, [this](const Result<std::vector<SocketAddress>>& found) {
    if (!found) return fail_with(found.error().message);
    connect_to(*found);
  });
}

// The first address that takes the connection attempt; which of several is tried first is the resolver's
// choice, and another attempt comes soon.
void Connection::connect_to(const std::vector<SocketAddress>& addresses) {
  int error = EADDRNOTAVAIL;
  for (const SocketAddress& address : addresses) {
    fd_ = ::socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd_ < 0) {
      error = errno;
      continue;
    }
    if (address.storage.ss_family != AF_UNIX) tune(fd_);
    const int result = ::connect(fd_, reinterpret_cast<const sockaddr*>(&address.storage), address.size);
    if (result == 0 || errno == EINPROGRESS) {
      connecting_ = true;
      return set_events();
    }
    error = errno;
    ::close(fd_);
    fd_ = -1;
  }
  fail_with(std::string("connect: ") + std::strerror(error));
}

void Connection::close() {
  if (lookup_) lookup_->abandon();
  lookup_.reset();
  loop_.cancel(timeout_);
  if (fd_ >= 0) {
    loop_.unwatch(fd_);
    ::close(fd_);
    fd_ = -1;
  }
  events_ = 0;
  connecting_ = false;
  out_.clear();
  sent_ = 0;
  if (reader_) ::redisReaderFree(std::exchange(reader_, nullptr));
}

void Connection::fail_with(const std::string& error) {
  if (!reader_) return;  // closed already
  close();
  handlers_.closed(name_ + ": " + error);
}

void Connection::set_events() {
  const short events =
      connecting_ ? POLLOUT : static_cast<short>(sent_ < out_.size() ? POLLIN | POLLOUT : POLLIN);
  if (events == events_) return;
  events_ = events;
  loop_.watch(fd_, events, [this](short ready) { on_ready(ready); });
}

void Connection::on_ready(short events) {
  if (connecting_) return on_connected();
  if (events & (POLLIN | POLLHUP | POLLERR)) on_readable();
  if (fd_ >= 0 && (events & POLLOUT)) flush();
}

void Connection::on_connected() {
  int error = 0;
  socklen_t size = sizeof error;
  if (::getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
  if (error != 0) return fail_with(std::string("connect: ") + std::strerror(error));
  connecting_ = false;
  loop_.cancel(timeout_);
  heard_at_ = Loop::Clock::now();
  handlers_.connected();
  if (fd_ >= 0) flush();
}

void Connection::on_readable() {
  std::array<char, kReadSize> buffer;
  for (int i = 0; i < kReadsPerTurn && fd_ >= 0; ++i) {
    const ssize_t size = ::recv(fd_, buffer.data(), buffer.size(), 0);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
    if (size < 0) return fail_with(std::strerror(errno));
    if (size == 0) return fail_with("closed by the server");
    heard_at_ = Loop::Clock::now();
    if (::redisReaderFeed(reader_, buffer.data(), static_cast<std::size_t>(size)) != REDIS_OK) {
      return fail_with(reader_->errstr);
    }
    if (!take_replies()) return;
    if (static_cast<std::size_t>(size) < buffer.size())
      return;  // level-triggered: the rest, if any, comes next turn
  }
}

bool Connection::take_replies() {
  while (reader_) {
    void* reply = nullptr;
    if (::redisReaderGetReply(reader_, &reply) != REDIS_OK) {
      fail_with(std::string("not the Redis protocol: ") + reader_->errstr);
      return false;
    }
    if (!reply) return true;
    const std::unique_ptr<void, decltype(&::freeReplyObject)> owned(reply, &::freeReplyObject);
    handlers_.reply(*static_cast<const redisReply*>(reply));
  }
  return false;  // closed by what a reply led to
}

void Connection::send(std::span<const std::string_view> arguments) {
  std::vector<const char*> texts;
  std::vector<std::size_t> sizes;
  for (const std::string_view argument : arguments) {
    texts.push_back(argument.data());
    sizes.push_back(argument.size());
  }
  char* command = nullptr;
  const int size =
      ::redisFormatCommandArgv(&command, static_cast<int>(texts.size()), texts.data(), sizes.data());
  CHECK(size > 0);
  out_.append(command, static_cast<std::size_t>(size));
  std::free(command);
}

void Connection::flush() {
  if (fd_ < 0 || connecting_) return;
  while (sent_ < out_.size()) {
    const ssize_t size = ::send(fd_, out_.data() + sent_, out_.size() - sent_, MSG_NOSIGNAL);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) break;
    if (size < 0) return fail_with(std::strerror(errno));
    sent_ += static_cast<std::size_t>(size);
  }
  if (sent_ == out_.size()) {
    out_.clear();
    sent_ = 0;
  }
  set_events();
}

}  // namespace envgate::routing::redis
