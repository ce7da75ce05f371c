// A customer's password and keys into a running container: over the standard input of one program inside,
// never in its environment or on a command line. The image needs /bin/sh, chpasswd and /etc/passwd.
#pragma once

#include "backends/docker/engine.hpp"

namespace envgate::backends::docker {

// What the program reads: a line of password (empty: none), then the keys, then an empty line.
Secret login_input(const Login& login);

Outcome<void> set_login(Engine& engine, const std::string& container, const Login& login, const Call& call);

}  // namespace envgate::backends::docker
