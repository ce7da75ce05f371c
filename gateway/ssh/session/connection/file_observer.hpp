// One who looks on while files are moved over a channel and tells the record which: by SFTP or by scp. He
// only looks: what he cannot follow makes him stop, with one event that says so, and is passed all the same.
// Thread: the session's. Owns: his state, bounded whatever the two ends send.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "gateway/ssh/session/connection/message.hpp"

namespace envgate::ssh::session {

class FileObserver {
 public:
  FileObserver(std::uint32_t channel, const Sink& sink) : channel_(channel), sink_(sink) {}
  virtual ~FileObserver() = default;

  void data(Side from, std::string_view bytes) {
    if (observing_) look(from, bytes);
  }
  // The channel is at its end: what was not finished is told as it stands.
  void end() {
    if (observing_) finish();
    observing_ = false;
  }
  bool observing() const { return observing_; }

 protected:
  virtual void look(Side from, std::string_view bytes) = 0;
  virtual void finish() = 0;

  void tell(monitor::FileMoved event) {
    event.channel = channel_;
    sink_(std::move(event));
  }
  // `why`: "... is no SFTP". Unfinished files are told first.
  void stop(const std::string& why) {
    if (!observing_) return;
    finish();
    observing_ = false;
    monitor::FileMoved event;
    event.operation = "unobserved";
    event.result = why;
    tell(std::move(event));
  }

 private:
  const std::uint32_t channel_;
  const Sink& sink_;
  bool observing_ = true;
};

// For a program that moves files; null for every other. `command` as the customer or force_command gave it.
std::unique_ptr<FileObserver> observer_of_subsystem(std::string_view name, std::uint32_t channel,
                                                    const Sink& sink);
std::unique_ptr<FileObserver> observer_of_command(std::string_view command, std::uint32_t channel,
                                                  const Sink& sink);

}  // namespace envgate::ssh::session
