// The files of one recorded session: its entry in the index, a .cast for each terminal, one .jsonl for
// everything else; and its screens for watchers. The events come from a process that a stranger may have
// taken over: a channel is begun once and in order, and what may be made of them is bounded.
// Thread: the recorder's; calls block as the disk does.
#pragma once

#include <bitset>
#include <chrono>
#include <map>
#include <optional>
#include <set>

#include "gateway/settings.hpp"
#include "gateway/ssh/monitor/policy.hpp"
#include "gateway/ssh/monitor/record_event.hpp"
#include "gateway/ssh/recorder/index.hpp"
#include "gateway/ssh/recorder/watch.hpp"
#include "record/activity_log.hpp"
#include "record/cast_writer.hpp"

namespace envgate::ssh::recorder {

using SteadyTime = std::chrono::steady_clock::time_point;

inline constexpr unsigned kMostTerminals = 1000;  // in one session, one after the other or at once

// What all sessions write with. Requires: outlives them.
struct Desk {
  std::string directory;
  std::optional<record::SigningKey> key;
  std::uint64_t max_output = 0;  // of a terminal; 0: no limit
  ScreenBudget screens;

  const record::SigningKey* signing_key() const { return key ? &*key : nullptr; }
};

class SessionWriter {
 public:
  SessionWriter(Desk& desk, IndexEntry entry, const monitor::Recording& recording, SteadyTime began);

  // Errors, of all below: a file's, with its errno, after which nothing more can be written; code EPROTO: the
  // events make no sense, and whoever sent them is not to be trusted.
  Result<void> begin();
  Result<void> take(const monitor::RecordEvent& event, SteadyTime at);
  Result<void> tick(SteadyTime at);  // ends the blocks that are due
  // Ends all files; the entry is then final, and is the caller's to write.
  Result<void> end(SteadyTime at);

  IndexEntry& entry() { return entry_; }
  Screens& screens() { return screens_; }

 private:
  struct Terminal {
    record::CastWriter cast;
    SteadyTime began;
  };
  Result<void> on(const monitor::TerminalBegan& event, SteadyTime at);
  Result<void> on(const monitor::CommandBegan& event, SteadyTime at);
  Result<void> on(const monitor::Output& event, SteadyTime at);
  Result<void> on(const monitor::Resized& event, SteadyTime at);
  Result<void> on(const monitor::Exited& event, SteadyTime at);
  Result<void> on(const monitor::ChannelEnded& event, SteadyTime at);
  Result<void> on(const monitor::FileMoved& event, SteadyTime at);
  Result<void> on(const monitor::Forwarded& event, SteadyTime at);
  Result<void> on(const monitor::Refused& event, SteadyTime at);

  Result<void> begins(std::uint32_t channel);  // Errors: it has been there before
  Result<void> log_command(std::uint32_t channel, std::string_view kind, std::string_view command,
                           SteadyTime at);
  Result<void> end_terminal(std::uint32_t channel, Terminal& terminal, SteadyTime at);
  Result<record::ActivityLog*> log();  // made at the first event that needs it
  Result<void> add_file(std::string name);
  record::Offset offset(SteadyTime at) const { return std::max(at - began_, SteadyTime::duration::zero()); }

  Desk& desk_;
  IndexEntry entry_;
  const monitor::Recording recording_;
  const SteadyTime began_;
  std::optional<record::ActivityLog> log_;
  std::map<std::uint32_t, Terminal> terminals_;
  std::set<std::uint32_t> unshown_;  // terminals that the policy does not record
  Screens screens_;
  // Programs begin in any order; which of the newest numbers have: by number modulo the size.
  static constexpr std::uint32_t kRemembered = 16'384;
  std::bitset<kRemembered> begun_;
  std::uint32_t last_channel_ = 0;  // the highest that has begun
  unsigned made_ = 0;               // terminals
};

}  // namespace envgate::ssh::recorder
