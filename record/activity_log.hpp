// Records what a session does without a terminal, one JSON object a line: commands with their output,
// operations on files, forwards, what was refused. Commands run side by side: "channel" tells them apart.
// Thread: one; nothing throws.
//
//   {"envgate":{"version":1,"session":...}}
//   {"time":0.100000,"event":"exec","channel":1,"kind":"exec","command":"uptime"}
//   {"time":0.140000,"event":"output","channel":1,"stream":"stdout","data":"12:00 up"}
//   {"time":0.150000,"event":"truncated","channel":1,"stream":"stdout","limit":1048576}
//   {"time":0.200000,"event":"exit","channel":1,"status":0,"stdout_bytes":64,"stderr_bytes":0}
//   {"time":0.200000,"event":"closed","channel":1,"bytes_up":0,"bytes_down":64}
//   {"time":1.000000,"event":"file","channel":2,"op":"write","path":"/root/a","direction":"upload",...}
//   {"time":9.000000,"event":"forward","channel":3,"kind":"direct-tcpip","destination":"db:5432",...}
//   {"time":9.100000,"event":"refused","what":"x11","detail":"..."}
//
// Output that is no UTF-8 is in "base64"; what a signal killed has "signal" in place of "status".
#pragma once

#include <map>

#include "record/chained_file.hpp"
#include "record/session_facts.hpp"
#include "record/utf8_carry.hpp"

namespace envgate::record {

using Channel = std::uint32_t;

inline constexpr std::size_t kMostCommands = 1024;  // open at once in one log

struct FileOperation {
  Channel channel = 0;
  std::string op, path;
  std::string to_path;    // of a rename or a link; else empty
  std::string direction;  // "upload" or "download"; else empty
  std::uint64_t bytes = 0;
  std::string sha256;  // in hexadecimal; empty where nobody computed it
  std::string result;  // "ok", or the reason
};

struct Forward {
  Channel channel = 0;
  std::string kind, destination;
  std::uint64_t bytes_up = 0, bytes_down = 0;
  std::chrono::nanoseconds duration{};
};

enum class Stream : std::uint8_t { stdout_, stderr_, stdin_ };

class ActivityLog {
 public:
  // DIRECTORY/NAME.jsonl and its chain. `most_output`: bytes kept of what one command reads and writes, all
  // streams together; 0: none. Errors: as ChainedFile's, of all functions here.
  static Result<ActivityLog> create(const std::string& directory, const std::string& name,
                                    const SessionFacts& facts, const SigningKey* key,
                                    std::uint64_t most_output = 1 << 20, const BlockPolicy& blocks = {});

  // `kind`: "exec", "shell", "subsystem". Errors: that channel has one already, or kMostCommands are open.
  Result<void> exec(Channel channel, std::string_view kind, std::string_view command, Offset at);
  // Nothing where the channel has no command.
  Result<void> output(Channel channel, Stream stream, std::string_view bytes, Offset at);
  // `signal`: what killed it, "KILL"; else empty.
  Result<void> exit(Channel channel, std::uint32_t status, std::string_view signal, Offset at);
  // The channel's end, whether its command has exited or not.
  Result<void> closed(Channel channel, std::uint64_t bytes_up, std::uint64_t bytes_down, Offset at);
  Result<void> file(const FileOperation& operation, Offset at);
  Result<void> forward(const Forward& forward, Offset at);
  Result<void> refused(std::string_view what, std::string_view detail, Offset at);
  Result<void> tick(Offset at) { return file_.tick(at); }
  Result<void> end(Offset at);

  std::optional<Offset> due() const { return file_.due(); }
  std::uint64_t size() const { return file_.size(); }

 private:
  static constexpr std::size_t kStreams = 3;
  struct Command {
    std::uint64_t kept = 0;
    std::uint64_t seen[kStreams] = {};
    bool truncated = false;
    Utf8Carry carries[kStreams];
  };
  explicit ActivityLog(ChainedFile file) : file_(std::move(file)) {}
  Result<void> piece(Channel channel, Stream stream, std::string_view bytes, Offset at);
  Result<void> flush(Channel channel, Command& command, Offset at);

  ChainedFile file_;
  std::uint64_t most_output_ = 0;
  std::map<Channel, Command> commands_;
};

}  // namespace envgate::record
