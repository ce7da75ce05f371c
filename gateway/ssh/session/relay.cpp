#include "gateway/ssh/session/relay.hpp"

#include <libssh/libssh.h>
#include <poll.h>

#include <chrono>
#include <memory>

#include "gateway/ssh/session/connection/connection.hpp"

namespace envgate::ssh::session {
namespace {

using monitor::Who;

constexpr std::size_t kPendingMost =
    256 * 1024;  // bytes for a leg that is slow; behind them the other one waits
constexpr std::size_t kRecordsMost = 256 * 1024;  // and for the monitor
constexpr std::size_t kAnswersMost = 512 * 1024;  // and behind what it is answered itself, it waits, too
constexpr std::chrono::seconds kLastWords{5};     // for what an end has left to send
constexpr std::uint32_t kProtocolError = 2, kConnectionLost = 10;  // RFC 4253 section 11.1

struct FreeEvent {
  void operator()(ssh_event event) const { ssh_event_free(event); }
};

class Relay {
 public:
  Relay(Link& link, ClientLeg& client, TargetLeg& target, const monitor::Policy& policy)
      : link_(link),
        client_(client),
        target_(target),
        from_client_(*this, Side::client),
        from_target_(*this, Side::target),
        connection_(policy,
                    [this](monitor::RecordEvent event) { link_.send(monitor::Record{std::move(event)}); }) {}
  void run();

 private:
  // What one leg sends, on its way to the other.
  struct Direction final : PacketSink {
    Direction(Relay& relay, Side side) : owner(relay), from(side) {}
    void packet(std::string_view payload) override { owner.pass(from, payload); }
    Relay& owner;
    const Side from;
  };

  bool begin();
  Leg& leg(Side side) { return side == Side::client ? static_cast<Leg&>(client_) : target_; }
  void pass(Side from, std::string_view payload);
  void watch_link();
  void turn();
  void hear_monitor();
  void over(Who who, bool violation, std::string text);
  void note_ends();
  void last_words();

  Link& link_;
  ClientLeg& client_;
  TargetLeg& target_;
  Direction from_client_, from_target_;
  Connection connection_;
  std::unique_ptr<std::remove_pointer_t<ssh_event>, FreeEvent> event_{ssh_event_new()};
  bool link_writes_ = false;
  bool link_ready_ = false;
  bool over_ = false;
  monitor::Ended ended_;
};

int link_is_ready(socket_t, int, void* ready) {
  *static_cast<bool*>(ready) = true;
  return 0;
}

void Relay::pass(Side from, std::string_view payload) {
  if (over_) return;
  if (from == Side::target && !target_.same_host_key())
    return over(Who::target, true, "another host key in a later key exchange");
  Verdict verdict = connection_.take(from, payload, Clock::now());
  if (verdict.action == Verdict::Action::violation)
    return over(from == Side::client ? Who::client : Who::target, true, std::move(verdict.text));
  if (verdict.action == Verdict::Action::pass)
    leg(other(from)).send(verdict.replacement ? std::string_view(*verdict.replacement) : payload);
  for (const Verdict::Reply& reply : verdict.replies) leg(reply.to).send(reply.payload);
}

bool Relay::begin() {
  link_.stop_blocking();
  return event_ && client_.relay_to(from_client_) && target_.relay_to(from_target_) &&
         client_.join(event_.get()) && target_.join(event_.get()) &&
         ssh_event_add_fd(event_.get(), link_.fd(), POLLIN, link_is_ready, &link_ready_) == SSH_OK;
}

void Relay::watch_link() {
  const bool writes = link_.pending() > 0;
  if (writes == link_writes_) return;
  link_writes_ = writes;
  ssh_event_remove_fd(event_.get(), link_.fd());
  ssh_event_add_fd(event_.get(), link_.fd(), static_cast<short>(writes ? POLLIN | POLLOUT : POLLIN),
                   link_is_ready, &link_ready_);
}

void Relay::turn() {
  const bool recorded = link_.pending() < kRecordsMost;
  const std::size_t for_client = client_.pending(), for_target = target_.pending();
  client_.read(recorded && for_target < kPendingMost && for_client < kAnswersMost);
  target_.read(recorded && for_client < kPendingMost && for_target < kAnswersMost);
  watch_link();
  link_ready_ = false;
  ssh_event_dopoll(event_.get(), -1);
  client_.flush();
  target_.flush();
  if (link_ready_ || link_.pending() > 0) link_.flush();
  if (link_ready_) hear_monitor();
  if (link_.gone()) over(Who::monitor, false, "the gateway has ended");
  note_ends();
}

void Relay::over(Who who, bool violation, std::string text) {
  if (over_) return;
  over_ = true;
  ended_.who = who;
  ended_.violation = violation;
  ended_.text = std::move(text);
}

void Relay::hear_monitor() {
  while (auto received = link_.next()) {
    if (std::holds_alternative<monitor::Ping>(received->message)) {
      link_.send(monitor::Pong{connection_.bytes_to(Side::target), connection_.bytes_to(Side::client)});
    } else if (const auto* const end = std::get_if<monitor::End>(&received->message)) {
      client_.disconnect(end->reason, end->text);
      over(Who::monitor, false, end->text);
    } else {
      over(Who::monitor, true, "out of turn");
    }
  }
}

void Relay::note_ends() {
  const auto note = [this](Leg& leg, Who who) {
    if (!leg.broken()) return;
    const std::string text = leg.farewell(), error = leg.error();
    const bool said_so = error.starts_with("Received SSH_MSG_DISCONNECT");  // maybe without a text
    const bool closed = said_so || error.empty() || error.starts_with("Socket error");
    over(who, !closed, text.empty() ? error : text);
  };
  note(client_, Who::client);
  note(target_, Who::target);
}

// What has not left yet, before the sockets are closed.
void Relay::last_words() {
  connection_.end(Clock::now());
  ended_.bytes_to_target = connection_.bytes_to(Side::target);
  ended_.bytes_to_client = connection_.bytes_to(Side::client);
  if (ended_.who == Who::target)
    client_.disconnect(ended_.violation ? kProtocolError : kConnectionLost,
                       ended_.violation ? "the environment broke the protocol"
                                        : "the environment closed the connection: " + ended_.text);
  else if (ended_.violation)
    client_.disconnect(kProtocolError, ended_.text);
  target_.disconnect(11, ended_.who == Who::client ? ended_.text : "");
  link_.send(ended_);
  const auto until = Clock::now() + kLastWords;
  client_.read(false);
  target_.read(false);
  for (;;) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now()).count();
    const std::size_t kept = (client_.broken() ? 0 : client_.pending()) +
                             (target_.broken() ? 0 : target_.pending()) +
                             (link_.gone() ? 0 : link_.pending());
    if (left <= 0 || kept == 0) break;
    watch_link();
    if (ssh_event_dopoll(event_.get(), static_cast<int>(left)) == SSH_ERROR) break;
    link_.flush();
  }
}

void Relay::run() {
  if (!begin()) over(Who::monitor, false, "out of memory");
  while (!over_) turn();
  last_words();
  client_.leave();
  target_.leave();
  ssh_event_remove_fd(event_.get(), link_.fd());
}

}  // namespace

void relay(Link& link, ClientLeg& client, TargetLeg& target, const monitor::Policy& policy) {
  Relay(link, client, target, policy).run();
}

}  // namespace envgate::ssh::session
