// Connections to targets: opened when needed, kept for the next request to the same service, closed when the
// target closes, when they have been idle too long, or when their route changes, since an address may then be
// another tenant's.
// Thread: the worker's.
#pragma once

#include <memory>
#include <unordered_map>
#include <vector>

#include "gateway/loop/task.hpp"
#include "gateway/net/buffer.hpp"
#include "gateway/net/socket.hpp"
#include "gateway/net/tls_stream.hpp"
#include "routing/route.hpp"

namespace envgate::gateway {
class Worker;
}

namespace envgate::http {

struct TargetKey {
  routing::EnvId env;
  std::uint64_t generation = 0;
  Endpoint address;
  routing::Scheme scheme = routing::Scheme::http;
  bool operator==(const TargetKey&) const = default;
};

enum class Freshness : std::uint8_t { as_told, checked };

class TargetPool;

// One connection, with what was read from it and not yet used. While it rests in the pool, anything that
// happens on it, bytes or an end, ends it: a target has nothing to say before it is asked.
class TargetConnection final : loop::Waiter, loop::Timer {
 public:
  explicit TargetConnection(const TargetKey& to) : key(to) {}
  ~TargetConnection() { wake(); }
  net::Stream& stream() { return tls ? static_cast<net::Stream&>(*tls) : socket; }

  const TargetKey key;
  net::Socket socket;
  std::unique_ptr<net::TlsStream> tls;  // after socket: destroyed first
  net::Buffer received;
  bool reused = false;

 private:
  friend class TargetPool;
  void rest(TargetPool& pool, loop::Deadline until);
  void wake();
  void ready() override;
  void expired() override;
  TargetPool* pool_ = nullptr;  // where it rests
};
using TargetConnectionPtr = std::unique_ptr<TargetConnection>;

class TargetPool {
 public:
  explicit TargetPool(gateway::Worker& worker);
  ~TargetPool();

  // The one used last, or null. Never one that the target has closed, as far as epoll has told; `checked`
  // asks the socket as well, a system call, for a request that cannot be sent a second time.
  TargetConnectionPtr take(const TargetKey& key, Freshness freshness);

  // A new one. Errors: the errno of connect(2), ETIMEDOUT, or EPROTO where TLS failed.
  loop::Task<Result<TargetConnectionPtr>> open(TargetKey key);

  // After a complete answer. Closes it instead if bytes are left over, the route has changed, or enough are
  // kept.
  void give_back(TargetConnectionPtr connection);

  void close(const routing::EnvId& env);
  void close_all();
  std::size_t idle() const { return idle_count_; }
  std::size_t idle(const routing::EnvId& env) const;

 private:
  friend class TargetConnection;
  using Place = std::vector<TargetConnectionPtr>;  // the one used last is at the end
  TargetConnectionPtr remove(Place& place, std::size_t at);
  void drop(TargetConnection& resting);
  void sweep();

  gateway::Worker& worker_;
  // An environment whose last connection was taken keeps its place for the next, until there are too many
  // such.
  std::unordered_map<routing::EnvId, Place> idle_;
  std::size_t idle_count_ = 0, empty_count_ = 0;
};

}  // namespace envgate::http
