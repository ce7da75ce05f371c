#include "tests/unit/routing/redis_server.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <hiredis/hiredis.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstring>

namespace envgate::routing::testing {
namespace {

sockaddr_un unix_address(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  return address;
}

int connect_unix(const std::string& path) {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_un address = unix_address(path);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return fd;
  ::close(fd);
  return -1;
}

std::string text_of(const redisReply& reply) {
  switch (reply.type) {
    case REDIS_REPLY_INTEGER:
      return std::to_string(reply.integer);
    case REDIS_REPLY_ARRAY: {
      std::string all;
      for (std::size_t i = 0; i < reply.elements; ++i) all += (i ? " " : "") + text_of(*reply.element[i]);
      return all;
    }
    default:
      return reply.str ? std::string(reply.str, reply.len) : "";
  }
}

}  // namespace

std::uint16_t free_port() {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  EXPECT_EQ(::bind(fd, reinterpret_cast<const sockaddr*>(&address), size), 0);
  EXPECT_EQ(::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size), 0);
  ::close(fd);
  return ntohs(address.sin_port);
}

RedisServer::RedisServer(std::vector<std::string> options) : options_(std::move(options)) { start(); }

RedisServer::~RedisServer() { kill(); }

bool RedisServer::installed() { return ::access("/usr/bin/redis-server", X_OK) == 0; }

void RedisServer::start(bool wait, std::vector<std::string> more_options) {
  std::vector<std::string> arguments{
      "redis-server", "--port", "0",     "--unixsocket", socket(),    "--save",   "",
      "--appendonly", "no",     "--dir", dir_.path(),    "--logfile", path("log")};
  arguments.insert(arguments.end(), options_.begin(), options_.end());
  arguments.insert(arguments.end(), more_options.begin(), more_options.end());
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  ::unlink(socket().c_str());
  pid_ = ::fork();
  if (pid_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::execvp(argv[0], argv.data());
    ::_exit(127);
  }
  if (!wait) return;
  ASSERT_TRUE(eventually([&] { return command({"PING"}) != ""; })) << "redis-server did not start";
}

void RedisServer::kill() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

void RedisServer::pause() { ::kill(pid_, SIGSTOP); }
void RedisServer::resume() { ::kill(pid_, SIGCONT); }

std::string RedisServer::command(const std::vector<std::string>& arguments) {
  redisContext* context = ::redisConnectUnix(socket().c_str());
  std::string text;
  if (context && context->err == 0) {
    std::vector<const char*> argv;
    std::vector<std::size_t> sizes;
    for (const std::string& argument : arguments) {
      argv.push_back(argument.data());
      sizes.push_back(argument.size());
    }
    void* reply = ::redisCommandArgv(context, static_cast<int>(argv.size()), argv.data(), sizes.data());
    if (reply) {
      text = text_of(*static_cast<redisReply*>(reply));
      ::freeReplyObject(reply);
    }
  }
  if (context) ::redisFree(context);
  return text;
}

std::string RedisServer::seed(const std::string& env, const std::string& ip, const std::string& port) {
  const std::string prefix = "env:" + env + ":";
  if (port.empty()) return command({"SET", prefix + "ip", ip});
  return command({"MSET", prefix + "ip", ip, prefix + "ssh_port", port, prefix + "type", "container"});
}

long RedisServer::calls(const std::string& name) {
  const std::string stats = command({"INFO", "commandstats"});
  const std::string key = "cmdstat_" + name + ":calls=";
  const std::size_t at = stats.find(key);
  return at == std::string::npos ? 0 : std::atol(stats.c_str() + at + key.size());
}

Relay::Relay(std::vector<std::string> targets) : targets_(std::move(targets)) {
  listener_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const sockaddr_un address = unix_address(dir_ / "relay.sock");
  EXPECT_EQ(::bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  EXPECT_EQ(::listen(listener_, 16), 0);
  thread_ = std::thread([this] { run(); });
}

Relay::~Relay() {
  ending_ = true;
  thread_.join();
  for (const Pair& pair : pairs_) {
    ::close(pair.client);
    ::close(pair.server);
  }
  ::close(listener_);
}

void Relay::run() {
  std::size_t next = 0;
  while (!ending_) {
    std::vector<pollfd> fds{{listener_, POLLIN, 0}};
    for (const Pair& pair : pairs_) {
      const bool held = frozen_ || (hold_ && pair.reads);
      fds.push_back({frozen_ ? -1 : pair.client, POLLIN, 0});
      fds.push_back({held ? -1 : pair.server, POLLIN, 0});
    }
    if (::poll(fds.data(), fds.size(), 2) <= 0) continue;
    std::vector<Pair> kept;
    for (std::size_t i = 0; i < pairs_.size(); ++i) {
      Pair& pair = pairs_[i];
      bool alive = true;
      if (fds[1 + 2 * i].revents) alive = copy(pair.client, pair.server, pair, true);
      if (alive && fds[2 + 2 * i].revents) alive = copy(pair.server, pair.client, pair, false);
      if (alive) {
        kept.push_back(pair);
      } else {
        ::close(pair.client);
        ::close(pair.server);
      }
    }
    pairs_ = std::move(kept);
    if (fds[0].revents && !frozen_) {
      const int client = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      const int server = connect_unix(targets_[next++ % targets_.size()]);
      if (server >= 0) {
        pairs_.push_back({client, server});
      } else {
        ::close(client);
      }
    }
  }
}

bool Relay::copy(int from, int to, Pair& pair, bool from_client) {
  char buffer[65536];
  const ssize_t size = ::recv(from, buffer, sizeof buffer, 0);
  if (size <= 0) return false;
  const std::string_view bytes(buffer, static_cast<std::size_t>(size));
  if (from_client && bytes.find("MGET") != std::string_view::npos) pair.reads = true;
  return ::send(to, buffer, static_cast<std::size_t>(size), MSG_NOSIGNAL) == size;
}

}  // namespace envgate::routing::testing
