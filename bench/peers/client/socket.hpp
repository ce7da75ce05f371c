// Loopback sockets for the load client: blocking, but for those that an epoll loop asks to be otherwise.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/fd.hpp"

namespace envgate::bench {

[[noreturn]] void fail_errno(const std::string& what);

Fd connect_loopback(std::uint16_t port);  // with TCP_NODELAY, and 30 s for every read and write
Fd listen_loopback(std::uint16_t port);   // non-blocking
Fd make_epoll();
void watch(int epoll, int fd, std::uint32_t events, void* what);
void set_nonblocking(int fd);

void send_all(int fd, std::string_view bytes);
// The bytes up to and including '\n', at most 255. Errors: Failure when the peer ends before.
std::string read_line(int fd);

}  // namespace envgate::bench
