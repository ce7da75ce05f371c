#include "control/lifecycle/bind_probe.hpp"

#include <netinet/in.h>
#include <sys/socket.h>

#include "base/fd.hpp"

namespace envgate::control {

bool can_bind_port(std::uint16_t port) {
  const Fd probe(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in any{};
  any.sin_family = AF_INET;
  any.sin_port = htons(port);
  return probe && ::bind(probe.get(), reinterpret_cast<const sockaddr*>(&any), sizeof any) == 0;
}

}  // namespace envgate::control
