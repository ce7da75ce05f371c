// One fixed program on one machine, over the system's OpenSSH client. The program is a text of ours, the same
// for every call; all that differs goes over its standard input, so that nothing of a customer's or an
// operator's is ever on a command line, here or there.
//
// Thread: any; calls block. The machine may be hostile (its customer was root there): what it says is
// bounded, and who it is, is known by its pinned host keys alone.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "backends/physical/machine.hpp"
#include "backends/physical/process.hpp"
#include "backends/physical/settings.hpp"

namespace envgate::backends::physical {

// A known_hosts file with the pinned keys of one machine and nothing else; removed with this object.
class KnownHosts {
 public:
  static Outcome<KnownHosts> make(const Settings& settings, const Machine& machine);
  KnownHosts(KnownHosts&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  ~KnownHosts();
  const std::string& path() const { return path_; }

 private:
  explicit KnownHosts(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

// Requires: check(machine) was good. `program` must be a constant.
std::vector<std::string> ssh_argv(const Settings& settings, const Machine& machine,
                                  const std::string& known_hosts, std::string_view program);

// What ssh's words mean when it ends with status 255, its own. They decide no more than the cause and the
// message: a machine can write them too.
Failure ssh_failure(const Machine& machine, std::string_view words);

// The program's exit status and what it said. Errors: as `run`, and unreachable, denied.
Outcome<Ended> run_remote(const Settings& settings, const Machine& machine, std::string_view program,
                          Secret input, const Call& call);

}  // namespace envgate::backends::physical
