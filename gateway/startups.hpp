// How many connections may be on their way to a login at a time: from `start` on new ones are refused by
// chance, `rate` percent of them and more the nearer the number is to `full`, where all are (random early
// drop: a flood cannot keep everybody else out by filling the last place). And how many of one source.
//
// Thread: any (it locks; asked once a connection). Source: sshd_config(5), MaxStartups and
// PerSourceMaxStartups; the source is source.hpp's.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string_view>

#include "base/ip.hpp"

namespace envgate::gateway {

struct StartupLimits {
  unsigned start = 10;
  unsigned rate = 30;  // percent, 0 to 100
  unsigned full = 100;
  unsigned per_source = 0;  // 0: no limit
};

class Startups;

// A connection that is not logged in yet. Destroyed, or let go by release() at the login, it gives its place
// back. Requires: the Startups outlives it.
class StartupPlace {
 public:
  StartupPlace() = default;
  StartupPlace(StartupPlace&& other) noexcept;
  StartupPlace& operator=(StartupPlace&& other) noexcept;
  ~StartupPlace() { release(); }
  void release();
  bool held() const { return startups_ != nullptr; }

 private:
  friend class Startups;
  Startups* startups_ = nullptr;
  IpAddress source_;
};

class Startups {
 public:
  enum class Verdict : std::uint8_t { admitted, early_drop, full, source };
  struct Counts {
    std::uint64_t admitted = 0, early_drop = 0, full = 0, source = 0;
  };

  explicit Startups(StartupLimits limits) : limits_(limits) {}
  void set(StartupLimits limits);  // for what comes

  // `chance`: a random number of 0 to 99. `place` is taken where the verdict is admitted.
  Verdict enter(const IpAddress& peer, unsigned chance, StartupPlace& place);

  unsigned waiting() const;
  Counts counts() const;

 private:
  friend class StartupPlace;
  Verdict judge(const IpAddress& source, unsigned chance) const;
  void leave(const IpAddress& source);

  mutable std::mutex mutex_;
  StartupLimits limits_;
  unsigned waiting_ = 0;
  std::map<IpAddress, unsigned> by_source_;  // never more than waiting_
  Counts counts_;
};

std::string_view to_string(Startups::Verdict verdict);  // snake_case, fit for a metric's label

}  // namespace envgate::gateway
