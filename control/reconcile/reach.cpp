#include "control/reconcile/reach.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <thread>

#include "base/fd.hpp"

namespace envgate::control {
namespace {

constexpr std::chrono::milliseconds kBetween{30};

bool connects(const Endpoint& endpoint, std::chrono::milliseconds time) {
  sockaddr_storage address{};
  const socklen_t length = endpoint.to_sockaddr(address);
  const Fd fd(::socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return false;
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), length) == 0) return true;
  if (errno != EINPROGRESS) return false;
  pollfd ready{fd.get(), POLLOUT, 0};
  if (::poll(&ready, 1, static_cast<int>(time.count())) != 1) return false;
  int error = 0;
  socklen_t size = sizeof error;
  return ::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error == 0;
}

}  // namespace

bool wait_for_port(const Endpoint& endpoint, std::chrono::milliseconds time, const std::stop_token& stop) {
  const auto until = std::chrono::steady_clock::now() + time;
  while (!stop.stop_requested()) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
    if (left.count() <= 0) return false;
    if (connects(endpoint, std::min(left, std::chrono::milliseconds(500)))) return true;
    std::this_thread::sleep_for(std::min(left, kBetween));
  }
  return false;
}

}  // namespace envgate::control
