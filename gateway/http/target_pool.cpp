#include "gateway/http/target_pool.hpp"

#include <algorithm>

#include "gateway/metrics.hpp"
#include "gateway/net/tls_context.hpp"
#include "gateway/worker.hpp"

namespace envgate::http {

// A connection that waits for its next use. Anything that happens on it meanwhile, bytes or an end, ends it:
// a target has nothing to say before it is asked.
class TargetPool::Idle final : loop::Waiter, loop::Timer {
 public:
  Idle(TargetPool& pool, TargetConnectionPtr connection) : pool_(pool), connection_(std::move(connection)) {
    loop::Watch& watch = connection_->socket.watch();
    watch.arm(loop::Direction::read, *this);
    watch.reactor().timers().arm(*this, watch.reactor().after(pool.worker_.settings->target.pool_idle));
  }
  ~Idle() {
    if (connection_) connection_->socket.watch().disarm(loop::Direction::read);
  }

  const TargetKey& key() const { return connection_->key; }
  TargetConnectionPtr release() {
    connection_->socket.watch().disarm(loop::Direction::read);
    return std::move(connection_);
  }

 private:
  void ready() override { pool_.drop(*this); }
  void expired() override { pool_.drop(*this); }
  TargetPool& pool_;
  TargetConnectionPtr connection_;
};

std::size_t TargetPool::KeyHash::operator()(const TargetKey& key) const noexcept {
  return key.env.hash() ^ (key.generation * 0x9e3779b97f4a7c15ull) ^ key.address.port;
}

TargetPool::TargetPool(gateway::Worker& worker) : worker_(worker) {}
TargetPool::~TargetPool() = default;

TargetConnectionPtr TargetPool::take(const TargetKey& key, Freshness freshness) {
  for (;;) {
    const auto found = idle_.find(key);
    if (found == idle_.end()) return nullptr;
    TargetConnectionPtr connection = found->second.back()->release();
    found->second.pop_back();
    --idle_count_;
    if (found->second.empty()) idle_.erase(found);
    char byte = 0;
    if (freshness == Freshness::checked &&
        connection->socket.try_peek({&byte, 1}).status != net::IoStatus::blocked)
      continue;  // closed, or it has spoken before it was asked
    connection->reused = true;
    gateway::the_metrics().target_reuses.add();
    return connection;
  }
}

loop::Task<Result<TargetConnectionPtr>> TargetPool::open(TargetKey key) {
  auto connection = std::make_unique<TargetConnection>(key);
  const loop::Deadline deadline = worker_.reactor.after(worker_.settings->timeouts.connect);
  gateway::the_metrics().target_connects.add();
  auto connected = co_await net::connect(worker_.reactor, key.address, deadline, connection->socket);
  if (connected && key.scheme == routing::Scheme::https) {
    ssl_st* const ssl = worker_.tls_client->connect(key.env.str());
    if (!ssl) co_return fail("TLS to the target: out of memory", ENOMEM);
    connection->tls.emplace().open(connection->socket, ssl);
    connected = co_await connection->tls->handshake(deadline);
  }
  if (!connected) {
    gateway::the_metrics().target_connect_failures.add();
    co_return tl::unexpected(connected.error());
  }
  net::set_keep_alive(connection->socket.fd(), worker_.keep_alive());
  co_return connection;
}

void TargetPool::give_back(TargetConnectionPtr connection) {
  const TargetKey& key = connection->key;
  const gateway::GatewaySettings::Target& limits = worker_.settings->target;
  const routing::Route* const route = worker_.routes->find(key.env);
  const bool current = route && route->generation == key.generation && route->address == key.address.address;
  if (!current || worker_.draining || !connection->received.empty() ||
      connection->socket.watch().peer_closed() || connection->stream().has_pending() ||
      limits.pool_idle.count() == 0)
    return;
  connection->received.release();
  const auto present = idle_.find(key);
  if ((present == idle_.end() ? 0 : present->second.size()) >= limits.pool_per_environment) return;
  auto& kept = idle_[key];
  if (kept.empty()) kept.reserve(4);
  kept.push_back(std::make_unique<Idle>(*this, std::move(connection)));
  ++idle_count_;
}

void TargetPool::drop(Idle& idle) {
  const auto found = idle_.find(idle.key());
  auto& kept = found->second;
  const auto at =
      std::find_if(kept.begin(), kept.end(), [&](const auto& item) { return item.get() == &idle; });
  const std::unique_ptr<Idle> dropped = std::move(*at);
  kept.erase(at);
  --idle_count_;
  if (kept.empty()) idle_.erase(found);
}

void TargetPool::close(const routing::EnvId& env) {
  std::erase_if(idle_, [&](const auto& item) {
    if (item.first.env != env) return false;
    idle_count_ -= item.second.size();
    return true;
  });
}

std::size_t TargetPool::idle(const routing::EnvId& env) const {
  std::size_t count = 0;
  for (const auto& [key, kept] : idle_)
    if (key.env == env) count += kept.size();
  return count;
}

void TargetPool::close_all() {
  idle_.clear();
  idle_count_ = 0;
}

}  // namespace envgate::http
