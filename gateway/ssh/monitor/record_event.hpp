// What a session process tells of what goes on in it, for the record: one event each. The time is the
// monitor's, when it comes in. Values; thread: any.
#pragma once

#include <cstdint>
#include <string>
#include <variant>

#include "base/result.hpp"

namespace envgate::ssh::auth {
class Reader;
class Writer;
}  // namespace envgate::ssh::auth

namespace envgate::ssh::monitor {

inline constexpr std::size_t kRecordPieceMax = 32 * 1024;  // bytes of output in one event
inline constexpr std::size_t kRecordTextMax = 8 * 1024;    // of a command, a path, a destination: cut there

// `channel` is the session's own number for a channel, from 1 on, never used again.

struct TerminalBegan {  // a channel with a pty runs a shell or a command
  std::uint32_t channel = 0;
  std::uint32_t columns = 80, rows = 24;
  std::string term;
  std::string command;  // empty: the login shell
  bool operator==(const TerminalBegan&) const = default;
};

struct CommandBegan {  // a channel without a pty runs a command, a subsystem, or a shell
  std::uint32_t channel = 0;
  std::string kind;     // "exec", "shell", "subsystem"
  std::string command;  // or the subsystem's name
  bool operator==(const CommandBegan&) const = default;
};

struct Output {
  enum class Stream : std::uint8_t { output, error, input };
  std::uint32_t channel = 0;
  Stream stream = Stream::output;
  std::string bytes;
  bool operator==(const Output&) const = default;
};

struct Resized {
  std::uint32_t channel = 0;
  std::uint32_t columns = 0, rows = 0;
  bool operator==(const Resized&) const = default;
};

struct Exited {
  std::uint32_t channel = 0;
  std::uint32_t status = 0;
  std::string signal;  // "KILL"; empty: it exited by itself
  bool operator==(const Exited&) const = default;
};

struct ChannelEnded {
  std::uint32_t channel = 0;
  std::uint64_t bytes_to_target = 0, bytes_to_client = 0;
  bool operator==(const ChannelEnded&) const = default;
};

struct FileMoved {  // or removed, renamed, listed...: one operation on a file, by SFTP or scp
  std::uint32_t channel = 0;
  std::string operation;  // "read", "write", "remove", "rename", "mkdir", "rmdir", "setstat", "symlink", ...
  std::string path, to_path;
  std::string direction;  // "upload", "download", or empty
  std::uint64_t bytes = 0;
  std::string sha256;  // hexadecimal; empty where the file was not moved whole, from its start to its end
  std::string result;  // "ok", or the reason
  bool operator==(const FileMoved&) const = default;
};

struct Forwarded {  // a forwarded connection has ended
  std::uint32_t channel = 0;
  std::string kind;         // "direct-tcpip", "forwarded-tcpip", "direct-streamlocal", ..., "x11", "agent"
  std::string destination;  // "db:5432", "/run/x.sock"
  std::uint64_t bytes_to_target = 0, bytes_to_client = 0;
  std::uint64_t milliseconds = 0;
  bool operator==(const Forwarded&) const = default;
};

struct Refused {     // the policy forbade it
  std::string what;  // "x11", "local_forwarding", ...: a name of Permitted
  std::string detail;
  bool operator==(const Refused&) const = default;
};

using RecordEvent = std::variant<TerminalBegan, CommandBegan, Output, Resized, Exited, ChannelEnded,
                                 FileMoved, Forwarded, Refused>;

void write(auth::Writer& writer, const RecordEvent& event);
// Errors: the bytes are no event; whoever sent them is not to be listened to any more.
Result<RecordEvent> read_record_event(auth::Reader& reader);

}  // namespace envgate::ssh::monitor
