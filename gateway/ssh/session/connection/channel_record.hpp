// What the record is told of one session channel: the terminal or the command, its output, the files that it
// moves, its exit. The record begins when the target says that the program runs; what is typed before that is
// kept, up to a bound at which the record begins at once. Thread: the session's. Owns: the observer.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "gateway/ssh/monitor/policy.hpp"
#include "gateway/ssh/session/connection/file_observer.hpp"
#include "gateway/ssh/session/connection/message.hpp"

namespace envgate::ssh::session {

class ChannelRecord {
 public:
  enum class Stage : std::uint8_t { none, asked, granted };

  ChannelRecord(std::uint32_t channel, const monitor::Recording& recording, const Sink& sink)
      : channel_(channel), recording_(recording), sink_(sink) {}

  // A pty or a program is asked for: of each, one may be.
  void ask_pty(std::string_view term, std::uint32_t columns, std::uint32_t rows);
  void ask_program(std::string_view kind, std::string_view command);
  void answer_pty(bool granted);
  void answer_program(bool granted);
  Stage pty() const { return pty_; }
  Stage program() const { return program_; }

  void resize(std::uint32_t columns, std::uint32_t rows);
  void data(Side from, bool extended, std::string_view bytes);
  void exited(std::uint32_t status, std::string_view signal);
  void end(std::uint64_t bytes_to_target, std::uint64_t bytes_to_client);

 private:
  void begin();
  void output(monitor::Output::Stream stream, std::string_view bytes);
  void early_input(std::string_view bytes);

  const std::uint32_t channel_;
  const monitor::Recording& recording_;
  const Sink& sink_;
  Stage pty_ = Stage::none, program_ = Stage::none;
  std::string term_, kind_, command_;
  std::uint32_t columns_ = 0, rows_ = 0;
  bool begun_ = false, exited_ = false;
  bool terminal_ = false;   // since the record began
  std::uint64_t kept_ = 0;  // bytes of a command's output
  std::string early_input_;
  std::unique_ptr<FileObserver> observer_;
};

}  // namespace envgate::ssh::session
