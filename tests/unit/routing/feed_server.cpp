#include "tests/unit/routing/feed_server.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <stdexcept>
#include <utility>

namespace envgate::routing::testing {

FeedServer::FeedServer(std::string path) : path_(std::move(path)) { start(); }

FeedServer::~FeedServer() { stop(); }

void FeedServer::start() {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path_.c_str(), sizeof address.sun_path - 1);
  listener_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (::bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(listener_, 8) != 0)
    throw std::runtime_error("cannot listen on " + path_);
  ending_ = false;
  thread_ = std::thread([this] { serve(); });
}

void FeedServer::stop() {
  if (listener_ < 0) return;
  ending_ = true;
  ::unlink(path_.c_str());
  ::shutdown(listener_, SHUT_RDWR);
  thread_.join();
  ::close(std::exchange(listener_, -1));
  drop();
}

void FeedServer::serve() {
  while (!ending_) {
    const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) continue;
    std::string request;
    std::array<char, 4096> buffer;
    pollfd ready{fd, POLLIN, 0};
    while (request.find("\r\n\r\n") == request.npos && ::poll(&ready, 1, 1000) == 1) {
      const ssize_t size = ::recv(fd, buffer.data(), buffer.size(), 0);
      if (size <= 0) break;
      request.append(buffer.data(), static_cast<std::size_t>(size));
    }
    const std::lock_guard lock(mutex_);
    if (connection_ >= 0) ::close(connection_);
    connection_ = fd;
    request_ = std::move(request);
    (void)!::send(fd, greeting_.data(), greeting_.size(), MSG_NOSIGNAL);
    ++connections_;
  }
}

void FeedServer::greet(std::string bytes) {
  const std::lock_guard lock(mutex_);
  greeting_ = std::move(bytes);
}

void FeedServer::send(const std::string& bytes) {
  const std::lock_guard lock(mutex_);
  if (connection_ >= 0) (void)!::send(connection_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
}

void FeedServer::drop() {
  const std::lock_guard lock(mutex_);
  if (connection_ >= 0) ::close(std::exchange(connection_, -1));
}

std::string FeedServer::request() const {
  const std::lock_guard lock(mutex_);
  return request_;
}

}  // namespace envgate::routing::testing
