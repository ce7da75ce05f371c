// `envctl connect HOST[:PORT]`: standard input and output through TLS to the gateway, the environment named
// by SNI. For ssh -o ProxyCommand='envctl connect %h'. Thread: main's.
#pragma once

#include <cstdint>
#include <string>

#include "control/cli/arguments.hpp"

namespace envgate::cli {

struct HostPort {
  std::string host;
  std::uint16_t port = 443;
};

// "name", "name:port", "1.2.3.4:port", "[::1]", "[::1]:port".
Result<HostPort> parse_host_port(std::string_view text, std::uint16_t default_port);

Command connect_command();

}  // namespace envgate::cli
