// A host name to socket addresses, without making the routing thread wait: getaddrinfo(3) has no deadline and
// may block for half a minute, during which routes must still be served and expire. Only the store's own host
// is ever resolved; a route's address never.
#pragma once

#include <sys/socket.h>

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "routing/loop.hpp"

namespace envgate::routing::redis {

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;
};

// A lookup under way. Abandoned before its loop goes, it never calls back.
class Lookup {
 public:
  explicit Lookup(Loop& loop) : loop_(&loop) {}
  void abandon();
  bool post(std::function<void()> work);  // Thread: any
  bool wanted();

 private:
  std::mutex mutex_;
  Loop* loop_;
};

using Resolved = std::function<void(Result<std::vector<SocketAddress>>)>;

// `done` runs on the loop's thread; where `host` is a literal, before this returns (and then the result is
// null).
std::shared_ptr<Lookup> resolve_host(Loop& loop, const std::string& host, std::uint16_t port, Resolved done);

}  // namespace envgate::routing::redis
