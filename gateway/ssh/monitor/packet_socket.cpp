#include "gateway/ssh/monitor/packet_socket.hpp"

#include <sys/socket.h>

#include <cerrno>
#include <cstring>

namespace envgate::ssh::monitor {
namespace {

// Room for one control message with kDescriptorsMax descriptors, aligned as cmsg(3) wants it.
union Control {
  cmsghdr header;
  char bytes[CMSG_SPACE(sizeof(int) * kDescriptorsMax)];
};

}  // namespace

Result<std::pair<Fd, Fd>> packet_pair() {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
    return fail_errno("socketpair", errno);
  return std::pair(Fd(ends[0]), Fd(ends[1]));
}

Result<Transfer> send_packet(int fd, std::string_view bytes, std::initializer_list<int> descriptors) {
  iovec piece{const_cast<char*>(bytes.data()), bytes.size()};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  Control control{};
  if (descriptors.size() > 0) {
    message.msg_control = control.bytes;
    message.msg_controllen = CMSG_SPACE(sizeof(int) * descriptors.size());
    cmsghdr* const header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int) * descriptors.size());
    std::memcpy(CMSG_DATA(header), descriptors.begin(), sizeof(int) * descriptors.size());
  }
  for (;;) {
    if (::sendmsg(fd, &message, MSG_NOSIGNAL) >= 0) return Transfer::done;
    if (errno == EINTR) continue;
    if (errno == EAGAIN) return Transfer::blocked;
    return fail_errno("sendmsg", errno);
  }
}

Result<Transfer> receive_packet(int fd, std::size_t most, Packet& packet) {
  packet.bytes.resize(most);
  for (Fd& descriptor : packet.descriptors) descriptor.reset();
  iovec piece{packet.bytes.data(), packet.bytes.size()};
  msghdr message{};
  Control control{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = control.bytes;
  message.msg_controllen = sizeof control.bytes;
  ssize_t got;
  do got = ::recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
  while (got < 0 && errno == EINTR);
  const int error = errno;
  packet.bytes.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  if (got < 0) {
    if (error == EAGAIN) return Transfer::blocked;
    return fail_errno("recvmsg", error);
  }
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count && i < kDescriptorsMax; ++i) {
      int descriptor;
      std::memcpy(&descriptor, CMSG_DATA(header) + i * sizeof(int), sizeof descriptor);
      packet.descriptors[i] = Fd(descriptor);
    }
  }
  if (got == 0) return Transfer::end;
  if (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) return fail("a message is too long", EMSGSIZE);
  return Transfer::done;
}

}  // namespace envgate::ssh::monitor
