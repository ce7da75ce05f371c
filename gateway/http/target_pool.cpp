#include "gateway/http/target_pool.hpp"

#include <algorithm>

#include "gateway/metrics.hpp"
#include "gateway/net/tls_context.hpp"
#include "gateway/worker.hpp"

namespace envgate::http {

namespace {

constexpr std::size_t kMostEmpty = 1024;  // environments without a connection, each of some 150 bytes

}  // namespace

void TargetConnection::rest(TargetPool& pool, loop::Deadline until) {
  pool_ = &pool;
  loop::Watch& watch = socket.watch();
  watch.arm(loop::Direction::read, *this);
  watch.reactor().timers().arm(*this, until);
}

void TargetConnection::wake() {
  if (!std::exchange(pool_, nullptr)) return;
  disarm();
  socket.watch().disarm(loop::Direction::read);
}

void TargetConnection::ready() { pool_->drop(*this); }
void TargetConnection::expired() { pool_->drop(*this); }

TargetPool::TargetPool(gateway::Worker& worker) : worker_(worker) {}
TargetPool::~TargetPool() = default;

TargetConnectionPtr TargetPool::remove(Place& place, std::size_t at) {
  TargetConnectionPtr connection = std::move(place[at]);
  place.erase(place.begin() + static_cast<std::ptrdiff_t>(at));
  --idle_count_;
  empty_count_ += place.empty();
  connection->wake();
  return connection;
}

TargetConnectionPtr TargetPool::take(const TargetKey& key, Freshness freshness) {
  const auto found = idle_.find(key.env);
  if (found == idle_.end()) return nullptr;
  Place& place = found->second;
  for (std::size_t at = place.size(); at-- > 0;) {
    if (!(place[at]->key == key)) continue;
    TargetConnectionPtr connection = remove(place, at);
    char byte = 0;
    if (freshness == Freshness::checked &&
        connection->socket.try_peek({&byte, 1}).status != net::IoStatus::blocked)
      continue;  // closed, or it has spoken before it was asked
    connection->reused = true;
    gateway::the_metrics().target_reuses.add();
    return connection;
  }
  return nullptr;
}

loop::Task<Result<TargetConnectionPtr>> TargetPool::open(TargetKey key) {
  if (empty_count_ > kMostEmpty) sweep();
  auto connection = std::make_unique<TargetConnection>(key);
  const loop::Deadline deadline = worker_.reactor.after(worker_.settings->timeouts.connect);
  gateway::the_metrics().target_connects.add();
  auto connected = co_await net::connect(worker_.reactor, key.address, deadline, connection->socket);
  if (connected && key.scheme == routing::Scheme::https) {
    ssl_st* const ssl = worker_.tls_client->connect(key.env.str());
    if (!ssl) co_return fail("TLS to the target: out of memory", ENOMEM);
    connection->tls = std::make_unique<net::TlsStream>();
    connection->tls->open(connection->socket, ssl);
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
      limits.pool_idle.count() == 0 || limits.pool_per_environment == 0)
    return;
  connection->received.release();
  const auto [found, is_new] = idle_.try_emplace(key.env);
  Place& place = found->second;
  if (place.size() >= limits.pool_per_environment) return;
  if (is_new) place.reserve(4);
  else empty_count_ -= place.empty();
  connection->rest(*this, worker_.reactor.after(limits.pool_idle));
  place.push_back(std::move(connection));
  ++idle_count_;
}

void TargetPool::drop(TargetConnection& resting) {
  Place& place = idle_.find(resting.key.env)->second;
  const auto at =
      std::find_if(place.begin(), place.end(), [&](const auto& item) { return item.get() == &resting; });
  remove(place, static_cast<std::size_t>(at - place.begin()));
}

void TargetPool::sweep() {
  std::erase_if(idle_, [](const auto& item) { return item.second.empty(); });
  empty_count_ = 0;
}

void TargetPool::close(const routing::EnvId& env) {
  const auto found = idle_.find(env);
  if (found == idle_.end()) return;
  idle_count_ -= found->second.size();
  empty_count_ -= found->second.empty();
  idle_.erase(found);
}

std::size_t TargetPool::idle(const routing::EnvId& env) const {
  const auto found = idle_.find(env);
  return found == idle_.end() ? 0 : found->second.size();
}

void TargetPool::close_all() {
  idle_.clear();
  idle_count_ = empty_count_ = 0;
}

}  // namespace envgate::http
