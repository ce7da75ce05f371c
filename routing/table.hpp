// The table that every lookup reads: environment id -> route, and listening port -> route. Open addressing
// over 8-byte words (16 bits of hash, 48 of pointer), so that a probe seldom touches a route that it does not
// want. One writer (the routing thread); each reactor has a Reader of its own, whose lookups are wait-free:
// no lock, no allocation, no system call, no write to shared memory.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

#include "routing/qsbr.hpp"
#include "routing/route.hpp"

namespace envgate::routing {

// Who listens on a port: the route, and which of its services.
struct PortMatch {
  const Route* route = nullptr;
  const TcpPort* tcp = nullptr;  // null: ssh
  explicit operator bool() const { return route != nullptr; }
};

class RouteTable {
 public:
  class Reader;

  RouteTable();
  ~RouteTable();  // Requires: all its Readers are gone.
  RouteTable(const RouteTable&) = delete;
  RouteTable& operator=(const RouteTable&) = delete;

  // ---- Thread: the writer's ----
  // Puts `route` in, in place of one for the same environment.
  // Requires: the route's listening ports are free or its own (routing/book.hpp sees to it).
  void put(const RoutePtr& route);
  bool remove(const EnvId& env);
  const Route* find(const EnvId& env) const;
  const Route* port_holder(std::uint16_t port) const { return ports_[port].load(std::memory_order_relaxed); }
  void for_each(const std::function<void(const Route&)>& visit) const;
  std::size_t size() const { return size_.load(std::memory_order_relaxed); }  // Thread: any.
  void reserve(std::size_t routes);
  // While not serving (routes older than `max_stale`) every Reader finds nothing.
  void set_serving(bool serving) { serving_.store(serving, std::memory_order_release); }
  bool serving() const { return serving_.load(std::memory_order_acquire); }  // Thread: any.
  // Frees what no reader can see any more; returns how much still waits.
  std::size_t reclaim() { return qsbr_.reclaim(); }

 private:
  using Slot = std::atomic<std::uint64_t>;
  struct Array;  // capacity and slots

  static const Route* probe(const Array& array, const EnvId& env, std::uint64_t hash);
  void set_ports(const Route* before, const Route* after);
  void rebuild(std::size_t capacity);
  static void release_route(const void* route);
  static void destroy_array(const void* array);

  // What every lookup reads, on a cache line that seldom changes.
  alignas(64) std::atomic<Array*> array_;
  std::atomic<bool> serving_{true};
  std::unique_ptr<std::atomic<const Route*>[]> ports_;
  alignas(64) std::atomic<std::size_t> size_{0};
  std::size_t used_ = 0;  // slots that are not empty, tombstones included
  Qsbr qsbr_;
};

// One thread's way into the table. Offline at first. A pointer found while online stays valid until the next
// quiescent() or offline(); take a RoutePtr to keep it longer. A reader that is about to wait goes offline or
// says quiescent() first: as long as it does neither, nothing that was replaced is freed. Thread: one at a
// time. Requires: the table outlives it.
class RouteTable::Reader {
 public:
  explicit Reader(RouteTable& table);
  ~Reader();
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  void online() { table_.qsbr_.online(*state_); }
  void offline() { table_.qsbr_.offline(*state_); }
  void quiescent() { table_.qsbr_.quiescent(*state_); }

  // Requires: online.
  const Route* find(const EnvId& env) const;
  PortMatch find_port(std::uint16_t port) const;
  // Every route, in no order, for listings; routes changed meanwhile may be missed or be seen twice.
  void for_each(const std::function<void(const Route&)>& visit) const;

 private:
  RouteTable& table_;
  std::shared_ptr<Qsbr::ReaderState> state_;
};

using Reader = RouteTable::Reader;

}  // namespace envgate::routing
