#include "gateway/used_tickets.hpp"

namespace envgate::gateway {
namespace {

// While there are few, what has expired may stay a while.
constexpr std::chrono::seconds kSweepEvery{60};

}  // namespace

void UsedTickets::forget_expired(std::chrono::sys_seconds now) {
  // When full, once a second: a sweep that frees nothing is not repeated for every request.
  const bool full = used_.size() >= most_;
  if (now - swept_ < (full ? std::chrono::seconds(1) : kSweepEvery)) return;
  std::erase_if(used_, [now](const auto& entry) { return entry.second <= now; });
  swept_ = now;
}

UsedTickets::Use UsedTickets::use(const routing::Ticket& ticket, std::chrono::sys_seconds now) {
  const std::lock_guard lock(mutex_);
  forget_expired(now);
  if (used_.contains(ticket.nonce)) return Use::again;
  if (used_.size() >= most_) return Use::full;
  used_.emplace(ticket.nonce, ticket.expires);
  return Use::first;
}

std::size_t UsedTickets::remembered() const {
  const std::lock_guard lock(mutex_);
  return used_.size();
}

}  // namespace envgate::gateway
