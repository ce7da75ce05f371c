#include "backends/physical/validate.hpp"

#include <algorithm>
#include <set>

#include "backends/login_check.hpp"
#include "backends/words.hpp"

namespace envgate::backends::physical {

std::vector<FieldError> validate(const Settings& settings, const Wanted& wanted) {
  std::vector<FieldError> errors;
  const auto require = [&](bool good, std::string path, std::string message) {
    if (!good) errors.push_back({std::move(path), std::move(message)});
  };
  const auto refuse = [&](bool given, const char* path, const char* why) {
    require(!given, path, std::string("is not supported on a physical machine: ") + why);
  };
  require(!wanted.environment.empty(), "environment", "is missing");
  require(wanted.generation > 0, "generation", "is missing");
  require(valid_owner(wanted.owner), "owner", "is not 1 to 64 of [a-z0-9._-], the first of [a-z0-9]");
  refuse(!wanted.image.empty(), "image", "it is let with what is installed on it");
  refuse(!wanted.command.empty(), "command", "nothing is started on it");
  refuse(!wanted.variables.empty(), "variables", "nothing is started on it");
  const char* whole = "it is let whole; choose a machine by its size";
  refuse(wanted.cpu_millis != 0, "cpu_millis", whole);
  refuse(wanted.memory.count != 0, "memory", whole);
  refuse(wanted.shm.count != 0, "shm", whole);
  refuse(wanted.pids != 0, "pids", whole);
  refuse(wanted.gpu.count != 0, "gpu.count", "it is let with all its GPUs; choose a machine by its GPUs");
  refuse(!wanted.mounts.empty(), "mounts", "it has its own disks");
  refuse(wanted.registry.has_value(), "registry", "it has no image");
  require(wanted.ports.size() <= 256, "ports", "has more than 256 entries");
  std::set<std::uint16_t> ports;
  for (std::size_t i = 0; i < std::min<std::size_t>(wanted.ports.size(), 256); ++i) {
    const std::string item = "ports[" + std::to_string(i) + ']';
    require(wanted.ports[i].port != 0, item + ".port", "is missing");
    require(ports.insert(wanted.ports[i].port).second, item + ".port", "is given twice");
    require(wanted.ports[i].node_port == 0, item + ".node_port",
            "is for remote nodes: the gateway reaches the machine itself");
  }
  for (FieldError& error : check_login(wanted)) errors.push_back(std::move(error));
  if (wanted.login && valid_user(wanted.login->user)) {
    const auto& users = settings.customer_users;
    require(std::find(users.begin(), users.end(), wanted.login->user) != users.end(), "login.user",
            "is not one of the accounts that customers may have (customer_users)");
  }
  return errors;
}

Result<void> check(const Settings& settings) {
  if (!valid_install(settings.install)) return fail("install: is not 1 to 16 of [a-z0-9]");
  if (settings.customer_users.empty()) return fail("customer_users: name at least one account");
  for (const std::string& user : settings.customer_users) {
    if (!valid_user(user)) return fail("customer_users: '" + user + "' is not 1 to 32 of [a-z0-9_-]");
  }
  if (!settings.clean_script.empty() && settings.clean_script[0] != '/') {
    return fail("clean_script: is not an absolute path");
  }
  if (settings.clean_time.count() < 1 || settings.clean_time.count() > 86400) {
    return fail("clean_time: is not from 1 s to 24 h");
  }
  if (settings.grace.count() < 0 || settings.grace.count() > 600)
    return fail("grace: is not from 0 s to 600 s");
  if (settings.connect_time.count() < 1 || settings.connect_time.count() > 300) {
    return fail("connect_time: is not from 1 s to 300 s");
  }
  if (settings.parallel < 1 || settings.parallel > 256) return fail("parallel: is not from 1 to 256");
  // ssh divides the list of known_hosts files at blanks, and expands % and $ in it.
  if (settings.temporary.empty() || settings.temporary[0] != '/' ||
      settings.temporary.find_first_of(" %$\"'") != std::string::npos) {
    return fail("temporary: is not an absolute path without blanks, quotes, % and $");
  }
  if (settings.programs.empty() || settings.programs[0] != '/')
    return fail("programs: is not an absolute path");
  return {};
}

}  // namespace envgate::backends::physical
