// What a machine says of itself when it is checked, read as a stranger's words: an absent or odd value is an
// empty one. Pure values; usable on any thread.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "base/units.hpp"

namespace envgate::backends::physical {

struct SeenGpu {
  std::string model;  // "NVIDIA A100-SXM4-80GB"
  std::string uuid;   // "GPU-..."
  bool operator==(const SeenGpu&) const = default;
};

struct Facts {
  bool reachable = false;
  std::string reason;  // for people: why it is not reachable
  std::string hostname;
  std::uint32_t cpus = 0;
  Bytes memory;
  Bytes disk;  // of its root file system
  std::vector<SeenGpu> gpus;
  std::string boot_id;  // another one after each boot
  std::chrono::seconds uptime{0};
  std::chrono::seconds clock_difference{0};  // the machine's clock less ours
};

// The lines of the check program: "cpus 64". `now`: our clock, when they came.
Facts parse_facts(std::string_view text, std::chrono::sys_seconds now);

}  // namespace envgate::backends::physical
