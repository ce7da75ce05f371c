// What all physical machines of one control plane have in common. README.md says what the clean script is
// given and what it is for.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "base/result.hpp"

namespace envgate::backends::physical {

struct Settings {
  std::string install;  // 1 to 16 of [a-z0-9]: in the marker of each machine, tells installs apart
  // The accounts of a machine that belong to its customer: they alone may be granted, and all of them that
  // exist are locked and emptied on stop and reclaim. From here and never from the machine: a customer who
  // was root there may have written anything.
  std::vector<std::string> customer_users = {"root"};
  std::string clean_script;  // absolute path of a file here, for the machine's /bin/sh; empty: none
  std::chrono::seconds clean_time{600};
  std::chrono::seconds grace{10};  // from TERM to KILL for a customer's processes, on reclaim
  std::chrono::seconds connect_time{10};
  std::size_t parallel = 8;           // machines that `list` asks at once
  std::string temporary = "/tmp";     // for files of pinned keys, one a call, removed with it
  std::string programs = "/usr/bin";  // where ssh, ssh-keyscan and ssh-keygen are
};

// Errors: the first setting that is wrong.
Result<void> check(const Settings& settings);

}  // namespace envgate::backends::physical
