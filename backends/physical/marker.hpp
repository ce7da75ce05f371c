// The marker: a file of ours on each machine that is let, and says to whom. A repeated call and another
// controller see by it whose the machine is.
//
// It is a hint and never a proof: a customer who is root there can write it too. So nothing is taken from it
// but what it says of its own environment; a marker that names another one makes every operation fail, and
// none skips a step of a reclaim because of it.
//
// Pure values; usable on any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "backends/spec.hpp"

namespace envgate::backends::physical {

enum class MarkerPower : std::uint8_t { granting, running, stopped };  // granting: begun and not yet done

struct Marker {
  std::string install;
  EnvId environment;
  std::uint64_t generation = 0;
  std::string owner;
  std::string instance;            // 32 of [0-9a-f], from our random source: another one after each reclaim
  std::chrono::sys_seconds since;  // by our clock: when it was last set running
  MarkerPower power = MarkerPower::running;
  bool operator==(const Marker&) const = default;
};

// All but the last line, which says the power and is written there: "granting" before the credential is set.
std::string marker_lines(const Marker& marker);

// Nothing: not exactly the lines that we write.
std::optional<Marker> parse_marker(std::string_view text);

std::string new_instance();

}  // namespace envgate::backends::physical
