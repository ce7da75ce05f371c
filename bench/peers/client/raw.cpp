// banners: port count threads                        a TCP connection, SSH banners both ways, and its end
// bulk:    port direction=up|down bytes              or, instead of port: -- PROGRAM WORD... whose input and
// output
//                                                    are the connection
//
// What `serve raw=` answers. Behind the banners it is told, in one line, what to do with the connection.
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <vector>

#include "modes.hpp"
#include "socket.hpp"
#include "threads.hpp"

namespace envgate::bench {
namespace {

constexpr std::size_t kPiece = 256 * 1024;

void exchange_banners(int fd) {
  send_all(fd, "SSH-2.0-bench\r\n");
  const std::string line = read_line(fd);
  if (line.compare(0, 8, "SSH-2.0-") != 0) throw Failure("not an SSH banner: " + line);
}

Fd start(const std::vector<std::string>& command, pid_t& pid) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) fail_errno("socketpair");
  Fd ours(ends[0]), its(ends[1]);
  std::vector<char*> words;
  for (const std::string& word : command) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  pid = ::fork();
  if (pid < 0) fail_errno("fork");
  if (pid == 0) {
    ::dup2(its.get(), 0);
    ::dup2(its.get(), 1);
    ::execvp(words[0], words.data());
    ::_exit(127);
  }
  return ours;
}

void send_many(int fd, std::uint64_t bytes) {
  const std::string piece(kPiece, 'x');
  for (std::uint64_t left = bytes; left > 0;) {
    const std::size_t size = std::min<std::uint64_t>(left, kPiece);
    send_all(fd, std::string_view(piece).substr(0, size));
    left -= size;
  }
  const std::string line = read_line(fd), expected = "got " + std::to_string(bytes) + "\n";
  if (line != expected) throw Failure("after " + std::to_string(bytes) + " bytes the target said " + line);
}

void receive_many(int fd, std::uint64_t bytes, bool is_tcp) {
  std::vector<char> piece(kPiece);
  for (std::uint64_t left = bytes; left > 0;) {
    // MSG_TRUNC drops the bytes within the kernel (tcp(7)): the load's core must not be what is measured.
    const ssize_t got =
        ::recv(fd, piece.data(), std::min<std::uint64_t>(left, kPiece), is_tcp ? MSG_TRUNC : 0);
    if (got < 0) fail_errno("recv");
    if (got == 0) throw Failure("the connection ended " + std::to_string(left) + " bytes early");
    left -= static_cast<std::uint64_t>(got);
  }
}

double seconds() {
  timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

}  // namespace

void banners(const Arguments& arguments) {
  const auto port = static_cast<std::uint16_t>(arguments.number("port"));
  const std::uint64_t count = arguments.number("count");
  const double start = seconds();
  share_out(count, arguments.number("threads"), [&](std::uint64_t, std::uint64_t share) {
    for (std::uint64_t i = 0; i < share; ++i) exchange_banners(connect_loopback(port).get());
  });
  std::printf("{\"connections\": %llu, \"seconds\": %.6f}\n", static_cast<unsigned long long>(count),
              seconds() - start);
}

void bulk(const Arguments& arguments) {
  const bool is_tcp = arguments.command().empty();
  pid_t pid = 0;
  double took = 0;
  {
    const Fd fd = is_tcp ? connect_loopback(static_cast<std::uint16_t>(arguments.number("port")))
                         : start(arguments.command(), pid);
    exchange_banners(fd.get());
    const std::uint64_t bytes = arguments.number("bytes");
    const double begin = seconds();
    send_all(fd.get(), arguments.text("direction") + " " + std::to_string(bytes) + "\n");
    if (arguments.text("direction") == "up") {
      send_many(fd.get(), bytes);
    } else {
      receive_many(fd.get(), bytes, is_tcp);
    }
    took = seconds() - begin;
  }
  if (pid > 0) ::waitpid(pid, nullptr, 0);
  std::printf("{\"seconds\": %.6f}\n", took);
}

}  // namespace envgate::bench
