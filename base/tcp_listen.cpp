#include "base/tcp_listen.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>

namespace envgate {
namespace {

Failure refuse(const Endpoint& local, int error) {
  std::string remedy;
  if (error == EADDRINUSE) remedy = " (another program listens there: `ss -ltnp` names it)";
  if (error == EACCES)
    remedy = " (a port below 1024 needs CAP_NET_BIND_SERVICE, or start as root with `user`)";
  auto failure = fail_errno("cannot listen on " + local.to_string(), error);
  return fail(failure.value().message + remedy, error);
}

Result<Fd> bind_family(const Endpoint& local, int family, const BindOptions& options) {
  Fd fd(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return refuse(local, errno);
  const int on = 1, off = 0;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (options.reuse_port) ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
  sockaddr_storage address;
  socklen_t length = local.to_sockaddr(address);
  if (family == AF_INET && address.ss_family == AF_INET6)
    length = Endpoint{IpAddress::v4(0), local.port}.to_sockaddr(address);
  if (family == AF_INET6) ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
  if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), length) != 0) return refuse(local, errno);
  if (::listen(fd.get(), options.backlog) != 0) return refuse(local, errno);
  // Accepted sockets inherit it: one call fewer per connection.
  ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  return fd;
}

}  // namespace

Result<Fd> bind_listener(const Endpoint& local, const BindOptions& options) {
  if (local.address.is_v4()) return bind_family(local, AF_INET, options);
  auto bound = bind_family(local, AF_INET6, options);
  const bool no_v6 = !bound && (bound.error().code == EAFNOSUPPORT || bound.error().code == EADDRNOTAVAIL);
  if (no_v6 && local.address == IpAddress()) return bind_family(local, AF_INET, options);
  return bound;
}

Result<Endpoint> local_endpoint(int fd) {
  sockaddr_storage address;
  socklen_t length = sizeof(address);
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) != 0)
    return fail_errno("getsockname", errno);
  return Endpoint::from_sockaddr(address);
}

}  // namespace envgate
