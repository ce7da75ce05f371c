#include "routing/redis/resolve.hpp"

#include <netdb.h>

#include <cstring>
#include <thread>

namespace envgate::routing::redis {
namespace {

Result<std::vector<SocketAddress>> look_up(const std::string& host, std::uint16_t port, int flags) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags | AI_NUMERICSERV;
  addrinfo* list = nullptr;
  const int error = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &list);
  if (error != 0) return fail("cannot resolve " + host + ": " + ::gai_strerror(error), error);
  std::vector<SocketAddress> addresses;
  for (const addrinfo* entry = list; entry; entry = entry->ai_next) {
    SocketAddress address;
    std::memcpy(&address.storage, entry->ai_addr, entry->ai_addrlen);
    address.size = entry->ai_addrlen;
    addresses.push_back(address);
  }
  ::freeaddrinfo(list);
  return addresses;
}

}  // namespace

void Lookup::abandon() {
  const std::lock_guard lock(mutex_);
  loop_ = nullptr;
}

bool Lookup::post(std::function<void()> work) {
  const std::lock_guard lock(mutex_);  // held while posting: the loop cannot go meanwhile
  if (loop_) loop_->post(std::move(work));
  return loop_ != nullptr;
}

bool Lookup::wanted() {
  const std::lock_guard lock(mutex_);
  return loop_ != nullptr;
}

std::shared_ptr<Lookup> resolve_host(Loop& loop, const std::string& host, std::uint16_t port, Resolved done) {
  if (auto literal = look_up(host, port, AI_NUMERICHOST)) {
    done(std::move(literal));
    return nullptr;
  }
  auto lookup = std::make_shared<Lookup>(loop);
  std::thread([lookup, host, port, done = std::move(done)] {
    lookup->post([lookup, done, result = look_up(host, port, AI_ADDRCONFIG)] {
      if (lookup->wanted()) done(result);
    });
  }).detach();
  return lookup;
}

}  // namespace envgate::routing::redis
