// Looks on at scp's own protocol: the sender's lines (C a file, D and E in and out of a directory, T times),
// the bytes of each file, the receiver's acknowledgements. One event for each file. A sender may be ahead of
// the acknowledgements, as a script's output is; where one of them then is a refusal, what he sent is no
// longer known for what it is and the observer stops. Thread: the session's. Owns: the lines and the files
// without an acknowledgement, bounded. Source: scp.c of OpenSSH, source() and sink().
#pragma once

#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/ssh/session/connection/file_hash.hpp"
#include "gateway/ssh/session/connection/file_observer.hpp"

namespace envgate::ssh::session {

class ScpObserver final : public FileObserver {
 public:
  ScpObserver(Side sender, std::uint32_t channel, const Sink& sink);

 private:
  enum class Expects : std::uint8_t { line, bytes, status, message };
  struct Sent {
    enum class What : std::uint8_t { start, line, directory, file, bytes };
    What what = What::line;
    monitor::FileMoved file;
  };

  void look(Side from, std::string_view bytes) override;
  void finish() override;

  bool sent(std::string_view bytes);
  bool line_byte(char c);
  bool line();
  void leave_directory();
  bool file_line(std::string_view line);
  bool status_byte(char c);
  bool message_byte(char c);
  bool end_of_bytes(const std::string& failure);

  bool acknowledged(std::string_view bytes);
  bool acknowledge(const std::string& failure);

  std::string path_of(std::string_view name) const;
  bool expect(Sent::What what);

  const Side sender_;
  Expects expects_ = Expects::line;
  std::string line_;          // or the message
  bool after_bytes_ = false;  // comes the message
  std::vector<std::string> directories_;
  std::size_t depth_bytes_ = 0;
  monitor::FileMoved file_;  // whose bytes come
  FileHash hash_;
  std::uint64_t missing_ = 0;  // bytes of it
  std::uint64_t ahead_ = 0;    // bytes since its line
  std::deque<Sent> unacknowledged_;
  bool refusing_ = false;  // the receiver's message comes
  std::string refusal_;
};

}  // namespace envgate::ssh::session
