// Who has behaved badly waits: a source that fails to log in, or lets its connections hang, collects seconds,
// and once it has collected `min` of them its next connections are refused until they have passed. What it
// collects while it waits is added, up to `max`.
//
// Bounded: beyond `sources` the one whose penalty ends first is forgotten. Thread: any (it locks; asked once
// a connection). Source: sshd_config(5) of OpenSSH 9.8, PerSourcePenalties, with its defaults; the source is
// source.hpp's.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "base/ip.hpp"

namespace envgate::gateway {

enum class Offence : std::uint8_t {
  crash,           // its session process died of a fault
  authfail,        // left, or was ended, after failing to log in
  invaliduser,     // and as a user that is not there
  noauth,          // left without trying
  grace_exceeded,  // did not log in in time
};
inline constexpr std::size_t kOffences = 5;
std::string_view to_string(Offence offence);  // snake_case, fit for a metric's label

struct PenaltySettings {
  std::chrono::seconds crash{90}, authfail{5}, invaliduser{5}, noauth{1}, grace_exceeded{10};
  std::chrono::seconds min{15}, max{600};
  std::vector<Cidr> exempt{};
  std::size_t sources = 65536;  // 0: nobody is ever punished
};

class Penalties {
 public:
  using Clock = std::chrono::steady_clock;
  struct Counts {
    std::array<std::uint64_t, kOffences> offences{};  // by Offence; of exempt sources none
    std::uint64_t refused = 0;
    std::uint64_t evicted = 0;
  };

  explicit Penalties(PenaltySettings settings) : settings_(std::move(settings)) {}
  void set(PenaltySettings settings);  // for what comes; what was collected stays

  void add(const IpAddress& peer, Offence offence, Clock::time_point now);
  // Whether a connection of `peer` is refused; counted where it is.
  bool refuses(const IpAddress& peer, Clock::time_point now);

  std::size_t tracked() const;
  Counts counts() const;

 private:
  struct Entry {
    Clock::time_point ends;
    bool active = false;  // it has reached `min` once, and holds until it ends
  };
  std::chrono::seconds seconds_for(Offence offence) const;
  void forget_ended(Clock::time_point now);
  void forget_first();

  mutable std::mutex mutex_;
  PenaltySettings settings_;
  std::map<IpAddress, Entry> entries_;
  std::set<std::pair<Clock::time_point, IpAddress>> by_end_;  // of every entry
  Counts counts_;
};

}  // namespace envgate::gateway
