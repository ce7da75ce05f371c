// Records what a session does without a terminal, one JSON object a line: commands with their output,
// operations on files, forwards. Thread: one; nothing throws.
//
//   {"envgate":{"version":1,"session":...}}
//   {"time":0.100000,"event":"exec","command":"uptime"}
//   {"time":0.140000,"event":"output","stream":"stdout","data":" 12:00 up ..."}      or "base64", if no UTF-8
//   {"time":0.150000,"event":"truncated","stream":"stdout","limit":1048576}
//   {"time":0.200000,"event":"exit","status":0,"stdout_bytes":64,"stderr_bytes":0}
//   {"time":1.000000,"event":"file","op":"write","path":"/root/a","direction":"upload","bytes":12,...}
//   {"time":9.000000,"event":"forward","kind":"direct-tcpip","destination":"db:5432","bytes_up":9,...}
#pragma once

#include "record/chained_file.hpp"
#include "record/session_facts.hpp"
#include "record/utf8_carry.hpp"

namespace envgate::record {

struct FileOperation {
  std::string op, path;
  std::string to_path;    // of a rename or a link; else empty
  std::string direction;  // "upload" or "download"; else empty
  std::uint64_t bytes = 0;
  std::string sha256;  // in hexadecimal; empty where nobody computed it
  std::string result;  // "ok", or the reason
};

struct Forward {
  std::string kind, destination;
  std::uint64_t bytes_up = 0, bytes_down = 0;
  std::chrono::nanoseconds duration{};
};

enum class Stream : std::uint8_t { stdout_, stderr_ };

class ActivityLog {
 public:
  // DIRECTORY/NAME.jsonl and its chain. `most_output`: bytes kept of a command's output, both streams
  // together. Errors: as ChainedFile's, of all functions here.
  static Result<ActivityLog> create(const std::string& directory, const std::string& name,
                                    const SessionFacts& facts, const SigningKey* key,
                                    std::uint64_t most_output = 1 << 20, const BlockPolicy& blocks = {});

  Result<void> exec(std::string_view command, Offset at);  // from here on, output is this one's
  Result<void> output(Stream stream, std::string_view bytes, Offset at);
  Result<void> exit(int status, Offset at);
  Result<void> file(const FileOperation& operation, Offset at);
  Result<void> forward(const Forward& forward, Offset at);
  Result<void> tick(Offset at) { return file_.tick(at); }
  Result<void> end(Offset at);

  std::optional<Offset> due() const { return file_.due(); }
  std::uint64_t size() const { return file_.size(); }

 private:
  explicit ActivityLog(ChainedFile file) : file_(std::move(file)) {}
  Result<void> piece(Stream stream, std::string_view bytes, Offset at);
  Result<void> flush(Offset at);

  ChainedFile file_;
  std::uint64_t most_output_ = 0;
  std::uint64_t kept_ = 0;
  std::uint64_t seen_[2] = {};
  bool truncated_ = false;
  Utf8Carry carries_[2];
};

}  // namespace envgate::record
