// The tickets that this gateway has accepted and that have not expired: each opens once. Shared by its
// workers; nothing outside the process knows of it, so that beside other gateways, or after a restart, a
// ticket can be used once on each of them until it expires (routing::kLongestTicket, ten minutes at most).
//
// Bounded: beyond kMost unexpired ones no more are accepted. Only tickets that were signed come here, so no
// stranger can fill it. Thread: any (it locks; a port is opened seldom).
#pragma once

#include <cstddef>
#include <cstring>
#include <mutex>
#include <unordered_map>

#include "routing/tickets.hpp"

namespace envgate::gateway {

class UsedTickets {
 public:
  static constexpr std::size_t kMost = 100'000;
  explicit UsedTickets(std::size_t most = kMost) : most_(most) {}

  enum class Use : std::uint8_t { first, again, full };
  // Requires: `ticket` has been verified at `now`.
  Use use(const routing::Ticket& ticket, std::chrono::sys_seconds now);

  std::size_t remembered() const;

 private:
  struct NonceHash {
    // It is random, and signed: nobody chooses ones that collide.
    std::size_t operator()(const routing::Nonce& nonce) const noexcept {
      std::size_t value;
      std::memcpy(&value, nonce.data(), sizeof(value));
      return value;
    }
  };
  void forget_expired(std::chrono::sys_seconds now);

  const std::size_t most_;
  mutable std::mutex mutex_;
  std::unordered_map<routing::Nonce, std::chrono::sys_seconds, NonceHash> used_;
  std::chrono::sys_seconds swept_{};
};

}  // namespace envgate::gateway
