// Messages over a socketpair of type SOCK_SEQPACKET, some with descriptors: plain functions on an fd, for
// both of its ends. Thread: any. Source: unix(7), SCM_RIGHTS.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <utility>

#include "base/fd.hpp"
#include "base/result.hpp"

namespace envgate::ssh::monitor {

inline constexpr std::size_t kDescriptorsMax = 2;

struct Packet {
  std::string bytes;
  std::array<Fd, kDescriptorsMax> descriptors;
};

enum class Transfer : std::uint8_t { done, blocked, end };

// Both ends, close-on-exec, blocking.
Result<std::pair<Fd, Fd>> packet_pair();

// Errors: the other end is gone (EPIPE), or errno of sendmsg(2). No SIGPIPE.
Result<Transfer> send_packet(int fd, std::string_view bytes, std::initializer_list<int> descriptors = {});
// Waits if the socket blocks. Descriptors beyond kDescriptorsMax are closed by the kernel, and an error, as a
// packet longer than `most` is.
Result<Transfer> receive_packet(int fd, std::size_t most, Packet& packet);

}  // namespace envgate::ssh::monitor
