// What one audited session may do, and what of it is recorded: decided by the monitor when the customer has
// authenticated, kept by the session process over every message. Values; thread: any.
#pragma once

#include <cstdint>
#include <string>

namespace envgate::ssh::monitor {

struct Permitted {
  bool shell = true;
  bool exec = true;  // scp and rsync, too
  bool sftp = true;  // and every other subsystem
  bool pty = true;
  bool agent = true;
  bool x11 = true;
  bool local_forwarding = true;   // -L, -D, -W: direct-tcpip
  bool remote_forwarding = true;  // -R: tcpip-forward
  bool unix_forwarding = true;    // to and from Unix sockets, either way
  bool operator==(const Permitted&) const = default;
};

struct Recording {
  bool terminal = true;                 // what sessions with a pty show
  bool input = false;                   // what is typed in them, passwords with it
  std::uint64_t exec_output = 1 << 20;  // bytes kept of each command without a pty; 0: none
  bool files = true;                    // SFTP and scp, by file; forwards
  bool operator==(const Recording&) const = default;
};

struct Policy {
  Permitted permitted;
  Recording recording;
  std::string force_command;          // runs in place of whatever shell or command is asked for; empty: none
  std::uint32_t most_channels = 100;  // open at once
  bool operator==(const Policy&) const = default;
};

}  // namespace envgate::ssh::monitor
