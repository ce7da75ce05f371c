// The SSH connection protocol of one audited session, as it goes by between the client's leg and the
// target's: every message is looked at, held against the protocol and the policy, and told to the record.
// Channel numbers and windows stay the two ends' own; what is forbidden is answered here, in the order in
// which the one who asked expects his answers. No I/O. Thread: the session's. Owns: the state of the
// channels, bounded by Policy::most_channels, and of requests without an answer. Errors: a violation is the
// end of the session. Source: RFC 4254; OpenSSH's PROTOCOL for what has @openssh.com in its name.
#pragma once

#include <array>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "gateway/ssh/auth/wire.hpp"
#include "gateway/ssh/monitor/policy.hpp"
#include "gateway/ssh/session/connection/channel.hpp"
#include "gateway/ssh/session/connection/message.hpp"

namespace envgate::ssh::session {

struct Verdict {
  enum class Action : std::uint8_t { pass, drop, violation };
  struct Reply {
    Side to;
    std::string payload;
    bool operator==(const Reply&) const = default;
  };

  Action action = Action::pass;
  std::string text;                        // of a violation: what `from` did
  std::optional<std::string> replacement;  // passes in place of the message
  std::vector<Reply> replies;              // to be sent after it, in this order
};

class Connection {
 public:
  Connection(monitor::Policy policy, Sink sink);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection();

  // `payload`: one message, its type first, without SSH's padding. After a violation: not to be called again.
  Verdict take(Side from, std::string_view payload, Clock::time_point now);

  // The session is over: the record is told of all channels that were still there. Once; then no take().
  void end(Clock::time_point now);

  std::uint64_t bytes_to(Side side) const { return bytes_to_[index(side)]; }  // of channel data, so far
  std::size_t channels() const { return channels_.size(); }  // now there, opening ones included

 private:
  using Reader = auth::Reader;

  // Who answers a global request, and what a success means.
  struct Asked {
    enum class For : std::uint8_t { other, forward, cancel };
    bool answered_here = false;
    For what = For::other;
    Forward forward;
  };

  void dispatch(std::uint8_t type, Reader body);

  // global_requests.cpp
  void global_request(Reader body);
  void client_global_request(std::string_view name, bool want_reply, Reader body);
  void forward_request(bool local_socket, bool cancel, bool want_reply, Reader body);
  void global_reply(bool success, Reader body);
  void granted(Asked& asked, Reader body);
  void refuse_global(bool want_reply);
  void ask(Asked asked, bool want_reply);
  bool was_asked_for(const Forward& forward) const;

  // channel_opens.cpp
  void open(Reader body);
  void client_open(Opening opening, Reader body);
  void target_open(Opening opening, Reader body);
  void admit_open(Opening opening);
  void refuse_open(const Opening& opening, OpenFailure reason, const std::string& text);
  void open_confirmation(Reader body);
  void open_failure(Reader body);

  // channel_flow.cpp
  void window_adjust(Reader body);
  void data(bool extended, Reader body);
  void eof(Reader body);
  void close(Reader body);
  Channel* addressed(Reader& body, bool may_be_late);
  void forget(Channel& channel);

  // channel_requests.cpp
  void request(Reader body);
  void client_request(Channel& channel, std::string_view name, bool want_reply, Reader body);
  void target_request(Channel& channel, std::string_view name, bool want_reply, Reader body);
  void pty_request(Channel& channel, bool want_reply, Reader body);
  void program_request(Channel& channel, std::string_view kind, bool want_reply, Reader body);
  void side_request(Channel& channel, ChannelAsked::For what, bool want_reply, Reader body);
  void pass_request(Channel& channel, ChannelAsked::For what, bool want_reply);
  void refuse_request(Channel& channel, bool want_reply);
  void channel_reply(bool success, Reader body);
  void settle(Channel& channel, ChannelAsked::For what, bool success);

  void violation(std::string text);
  void refused(std::string what, std::string_view detail);
  void reply(Side to, std::string payload);

  const monitor::Policy policy_;
  const Sink sink_;
  std::map<std::uint32_t, Channel> channels_;                             // by the record's number
  std::array<std::unordered_map<std::uint32_t, Channel*>, 2> by_number_;  // by each end's own number
  std::array<std::deque<Asked>, 2> asked_;                                // by who asked
  std::array<std::array<std::uint32_t, 16>, 2> late_{};  // numbers of each end, just given up
  std::array<std::size_t, 2> late_count_{};
  std::vector<Forward> forwards_;  // that the target granted
  std::array<std::uint64_t, 2> bytes_to_{};
  std::uint32_t last_channel_ = 0;
  std::uint32_t refusals_ = 0;
  bool x11_granted_ = false, agent_granted_ = false;

  // Of the take() that runs.
  Side from_ = Side::client;
  Clock::time_point now_;
  Verdict verdict_;
};

}  // namespace envgate::ssh::session
