#include "routing/table.hpp"

#include <sys/mman.h>

#include <new>

#include "base/check.hpp"

namespace envgate::routing {
namespace {

constexpr std::size_t kSmallest = 1024;
constexpr std::size_t kPorts = 65536;
constexpr std::uint64_t kEmpty = 0;
constexpr std::uint64_t kTombstone = 1;  // no pointer has this value; probes pass over it
constexpr int kTagShift = 48;
constexpr std::uint64_t kPointerMask = (std::uint64_t{1} << kTagShift) - 1;

std::uint64_t pack(std::uint64_t hash, const Route* route) {
  const auto pointer = reinterpret_cast<std::uintptr_t>(route);
  CHECK((pointer & ~kPointerMask) == 0);  // user space is 47 bits on x86-64, 48 on arm64
  return (hash >> kTagShift << kTagShift) | pointer;
}

const Route* unpack(std::uint64_t word) { return reinterpret_cast<const Route*>(word & kPointerMask); }

bool holds(std::uint64_t word) { return (word & kPointerMask) > kTombstone; }

// At most half full after a rebuild, at most 70% before the next.
std::size_t capacity_for(std::size_t routes) {
  std::size_t capacity = kSmallest;
  while (routes * 2 > capacity) capacity *= 2;
  return capacity;
}

}  // namespace

struct RouteTable::Array {
  explicit Array(std::size_t size) : mask(size - 1) {
    void* memory = ::mmap(nullptr, bytes(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    // A random probe per lookup: huge pages save the TLB miss. Not every kernel has them, and no harm then.
    (void)::madvise(memory, bytes(), MADV_HUGEPAGE);
    slots = static_cast<Slot*>(memory);  // zero bytes are empty slots
  }
  ~Array() { ::munmap(slots, bytes()); }
  Array(const Array&) = delete;
  Array& operator=(const Array&) = delete;
  std::size_t bytes() const { return (mask + 1) * sizeof(Slot); }

  const std::size_t mask;
  Slot* slots;
};

RouteTable::RouteTable()
    : array_(new Array(kSmallest)), ports_(std::make_unique<std::atomic<const Route*>[]>(kPorts)) {}

RouteTable::~RouteTable() {
  Array* array = array_.load(std::memory_order_relaxed);
  for (std::size_t i = 0; i <= array->mask; ++i) {
    const std::uint64_t word = array->slots[i].load(std::memory_order_relaxed);
    if (holds(word)) qsbr_.retire(release_route, unpack(word));
  }
  qsbr_.retire(destroy_array, array);
}

void RouteTable::release_route(const void* route) { static_cast<const Route*>(route)->release(); }
void RouteTable::destroy_array(const void* array) { delete static_cast<const Array*>(array); }

const Route* RouteTable::probe(const Array& array, const EnvId& env, std::uint64_t hash) {
  // Terminates: at least 30% of the slots are empty.
  for (std::size_t i = hash & array.mask;; i = (i + 1) & array.mask) {
    const std::uint64_t word = array.slots[i].load(std::memory_order_acquire);
    if (word == kEmpty) return nullptr;
    if (word >> kTagShift == hash >> kTagShift && holds(word) && unpack(word)->env == env)
      return unpack(word);
  }
}

const Route* RouteTable::find(const EnvId& env) const {
  return probe(*array_.load(std::memory_order_relaxed), env, env.hash());
}

void RouteTable::put(const RoutePtr& route) {
  route->retain();  // the table's own count, given back after the grace period
  const std::uint64_t hash = route->env.hash();
  if ((used_ + 1) * 10 > (array_.load(std::memory_order_relaxed)->mask + 1) * 7)
    rebuild(capacity_for(size() + 1));
  Array& array = *array_.load(std::memory_order_relaxed);
  Slot* reusable = nullptr;
  for (std::size_t i = hash & array.mask;; i = (i + 1) & array.mask) {
    Slot& slot = array.slots[i];
    const std::uint64_t word = slot.load(std::memory_order_relaxed);
    if (word == kEmpty) {
      if (!reusable) ++used_;
      (reusable ? *reusable : slot).store(pack(hash, route.get()), std::memory_order_release);
      size_.fetch_add(1, std::memory_order_relaxed);
      set_ports(nullptr, route.get());
      return;
    }
    if (word == kTombstone) {
      if (!reusable) reusable = &slot;
    } else if (word >> kTagShift == hash >> kTagShift && unpack(word)->env == route->env) {
      slot.store(pack(hash, route.get()), std::memory_order_release);
      set_ports(unpack(word), route.get());
      qsbr_.retire(release_route, unpack(word));
      return;
    }
  }
}

bool RouteTable::remove(const EnvId& env) {
  Array& array = *array_.load(std::memory_order_relaxed);
  const std::uint64_t hash = env.hash();
  for (std::size_t i = hash & array.mask;; i = (i + 1) & array.mask) {
    const std::uint64_t word = array.slots[i].load(std::memory_order_relaxed);
    if (word == kEmpty) return false;
    if (word >> kTagShift != hash >> kTagShift || !holds(word) || unpack(word)->env != env) continue;
    array.slots[i].store(kTombstone, std::memory_order_release);
    size_.fetch_sub(1, std::memory_order_relaxed);
    set_ports(unpack(word), nullptr);
    qsbr_.retire(release_route, unpack(word));
    return true;
  }
}

void RouteTable::set_ports(const Route* before, const Route* after) {
  if (after) {
    if (after->ssh.listen_port != 0) ports_[after->ssh.listen_port].store(after, std::memory_order_release);
    for (const TcpPort& tcp : after->services().tcp)
      ports_[tcp.listen_port].store(after, std::memory_order_release);
  }
  if (!before) return;
  const auto clear = [&](std::uint16_t port) {
    if (ports_[port].load(std::memory_order_relaxed) == before) {
      ports_[port].store(nullptr, std::memory_order_release);
    }
  };
  clear(before->ssh.listen_port);
  for (const TcpPort& tcp : before->services().tcp) clear(tcp.listen_port);
}

void RouteTable::rebuild(std::size_t capacity) {
  Array* old = array_.load(std::memory_order_relaxed);
  auto fresh = std::make_unique<Array>(capacity);
  for (std::size_t i = 0; i <= old->mask; ++i) {
    const std::uint64_t word = old->slots[i].load(std::memory_order_relaxed);
    if (!holds(word)) continue;
    std::size_t at = unpack(word)->env.hash() & fresh->mask;
    while (fresh->slots[at].load(std::memory_order_relaxed) != kEmpty) at = (at + 1) & fresh->mask;
    fresh->slots[at].store(word, std::memory_order_relaxed);
  }
  used_ = size();
  array_.store(fresh.release(), std::memory_order_release);
  qsbr_.retire(destroy_array, old);
}

void RouteTable::reserve(std::size_t routes) {
  if (capacity_for(routes) > array_.load(std::memory_order_relaxed)->mask + 1) rebuild(capacity_for(routes));
}

void RouteTable::for_each(const std::function<void(const Route&)>& visit) const {
  const Array& array = *array_.load(std::memory_order_acquire);
  for (std::size_t i = 0; i <= array.mask; ++i) {
    const std::uint64_t word = array.slots[i].load(std::memory_order_acquire);
    if (holds(word)) visit(*unpack(word));
  }
}

RouteTable::Reader::Reader(RouteTable& table) : table_(table), state_(table.qsbr_.register_reader()) {}

RouteTable::Reader::~Reader() { table_.qsbr_.unregister_reader(state_); }

const Route* RouteTable::Reader::find(const EnvId& env) const {
  if (!table_.serving()) return nullptr;
  return probe(*table_.array_.load(std::memory_order_acquire), env, env.hash());
}

PortMatch RouteTable::Reader::find_port(std::uint16_t port) const {
  if (!table_.serving()) return {};
  const Route* route = table_.ports_[port].load(std::memory_order_acquire);
  if (!route) return {};
  return {route, route->ssh.listen_port == port ? nullptr : route->services().find_tcp(port)};
}

void RouteTable::Reader::for_each(const std::function<void(const Route&)>& visit) const {
  table_.for_each(visit);
}

}  // namespace envgate::routing
