// Routes from the control plane on this machine: its feed over its Unix socket (feed_reader.hpp). A session
// is a snapshot, which is one pass of the book, then changes in order. Silence, a closed connection or
// anything malformed ends the session; the last good routes stay, and another one begins after a while
// (Backoff).
// - A pass begins an epoch when older generations may be right: in the first session of this process, with
//   another `install`, and when the feed's generation went back (control was restored from a backup).
// - Only the end of a snapshot says that what it did not name is gone.
// Thread: the routing thread.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_set>

#include "routing/backoff.hpp"
#include "routing/control/feed_reader.hpp"
#include "routing/settings.hpp"
#include "routing/source.hpp"

namespace envgate::routing::control {

class ControlSource : public Source {
 public:
  // Requires: the socket's path fits into a sockaddr_un (unix(7)).
  ControlSource(SourceHost& host, const ControlSettings& settings);
  ~ControlSource() override;

  void start() override { connect(); }
  void stop() override;
  // While live the table is complete: answered at once. Else by the snapshot, when that comes.
  void ask(const EnvId& env) override;
  // Another snapshot, by another session: the feed has no question to ask.
  void reload() override;
  bool expires() const override { return true; }

 private:
  enum class Stage : std::uint8_t { away, waiting, snapshot, live };  // waiting: for the feed's `begin`

  void connect();
  void close();
  void on_ready();
  bool take_messages();
  void lost(const std::string& error);
  void watch_silence();

  Result<void> apply(FeedMessage& message);
  void begin(const FeedMessage& message);
  void put(FeedMessage& message);
  void finish(std::uint64_t generation);

  SourceHost& host_;
  const ControlSettings settings_;
  Backoff backoff_;
  int fd_ = -1;
  FeedReader reader_;
  Stage stage_ = Stage::away;
  Loop::Time heard_at_{}, began_{};
  Loop::TimerId retry_ = 0, silence_ = 0;
  std::string install_, last_error_;
  std::uint64_t generation_ = 0;  // of what the book has been told completely
  bool whole_once_ = false;       // a snapshot has ended in this process
  std::uint64_t epoch_ = 0;
  std::unordered_set<EnvId> asked_;  // by lookups, not answered yet; survive a lost session
};

}  // namespace envgate::routing::control
