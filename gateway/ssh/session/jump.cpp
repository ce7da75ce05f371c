#include "gateway/ssh/session/jump.hpp"

#include <libssh/libssh.h>
#include <poll.h>

#include <chrono>
#include <deque>
#include <map>
#include <memory>

#include "gateway/ssh/auth/wire.hpp"
#include "gateway/ssh/session/connection/message.hpp"
#include "gateway/ssh/session/jump_channel.hpp"

namespace envgate::ssh::session {
namespace {

using auth::Reader;
using auth::Writer;
using monitor::Who;

constexpr std::size_t kChannelsMost = 100;
constexpr std::size_t kPendingMost = 256 * 1024;  // bytes for a slow client; behind them channels wait
constexpr std::size_t kAnswersMost = 512 * 1024;  // and behind what it is answered, it waits itself
constexpr std::size_t kAskedMost = 8;  // of the monitor at once, which looks for no more than 16 ways
constexpr std::size_t kHostMost = 255;
constexpr std::size_t kDescriptionMost = 64;
constexpr std::uint32_t kProtocolError = 2;
constexpr std::chrono::milliseconds kLastWords{5000};
constexpr std::string_view kOnlyJumps =
    "this entry only passes connections on (ssh -J); to enter an environment use root+ENVIRONMENT as the "
    "user";

int looked_at_later(socket_t, int, void*) { return 0; }

int socket_is_ready(socket_t, int revents, void* channel) {
  static_cast<JumpChannel*>(channel)->ready(static_cast<short>(revents));
  return 0;
}

class JumpSession final : PacketSink {
 public:
  JumpSession(Link& link, ClientLeg& client) : link_(link), client_(client) {}
  void run();

 private:
  using Channels = std::map<std::uint32_t, JumpChannel>;

  void packet(std::string_view payload) override;
  bool dispatch(std::uint8_t type, Reader body);
  bool global_request(Reader body);
  bool open(Reader body);
  bool request(Reader body);
  bool of_channel(std::uint8_t type, Reader body);
  void refuse(std::uint32_t peer, OpenFailure reason, std::string_view text);

  void hear_monitor();
  void ask();
  void answered(const monitor::JumpAnswer& answer, Fd socket);
  void watch();
  void forget_finished();
  void over(Who who, bool violation, std::string text);
  void last_words();

  Link& link_;
  ClientLeg& client_;
  ssh_event event_ = nullptr;
  Channels channels_;
  std::uint32_t next_ = 0;
  std::deque<monitor::Jump> to_ask_;             // of channels that wait, so bounded as they are
  std::size_t asked_ = 0;                        // without an answer
  std::uint64_t to_target_ = 0, to_client_ = 0;  // of channels that are gone
  short link_events_ = 0;
  bool over_ = false;
  monitor::Ended ended_;
};

void JumpSession::over(Who who, bool violation, std::string text) {
  if (over_) return;
  over_ = true;
  ended_.who = who;
  ended_.violation = violation;
  ended_.text = std::move(text);
}

void JumpSession::packet(std::string_view payload) {
  if (over_) return;
  if (!dispatch(static_cast<std::uint8_t>(payload[0]), Reader(payload.substr(1))))
    over(Who::client, true,
         "a message of type " + std::to_string(static_cast<std::uint8_t>(payload[0])) +
             " that has no place here");
}

bool JumpSession::dispatch(std::uint8_t type, Reader body) {
  switch (type) {
    case message::kGlobalRequest: return global_request(body);
    case message::kOpen: return open(body);
    case message::kRequest: return request(body);
    case message::kWindowAdjust:
    case message::kData:
    case message::kEof:
    case message::kClose: return of_channel(type, body);
    default: return false;
  }
}

// A failure is an answer, and keep-alives want no more.
bool JumpSession::global_request(Reader body) {
  std::string_view name;
  bool want_reply = false;
  if (!body.string(name) || !body.boolean(want_reply)) return false;
  if (want_reply) client_.send(std::string(1, static_cast<char>(message::kRequestFailure)));
  return true;
}

void JumpSession::refuse(std::uint32_t peer, OpenFailure reason, std::string_view text) {
  Writer failure;
  failure.byte(message::kOpenFailure)
      .uint32(peer)
      .uint32(static_cast<std::uint32_t>(reason))
      .string(text)
      .string("");
  client_.send(failure.bytes());
}

bool JumpSession::open(Reader body) {
  std::string_view type, host, origin;
  std::uint32_t peer = 0, window = 0, packet = 0, port = 0, origin_port = 0;
  if (!body.string(type) || !body.uint32(peer) || !body.uint32(window) || !body.uint32(packet)) return false;
  if (type != "direct-tcpip") return refuse(peer, OpenFailure::prohibited, kOnlyJumps), true;
  if (!body.string(host) || !body.uint32(port) || !body.string(origin) || !body.uint32(origin_port) ||
      !body.at_end())
    return false;
  if (host.size() > kHostMost || port == 0 || port > 65535 || packet == 0)
    return refuse(peer, OpenFailure::connect_failed, "no such host"), true;
  if (channels_.size() >= kChannelsMost)
    return refuse(peer, OpenFailure::resource_shortage, "too many channels"), true;
  const std::uint32_t id = next_++;
  channels_.try_emplace(id, client_, id, peer, window, packet);
  to_ask_.push_back({id, std::string(host), port});
  ask();
  return true;
}

void JumpSession::ask() {
  for (; !to_ask_.empty() && asked_ < kAskedMost; to_ask_.pop_front(), ++asked_) link_.send(to_ask_.front());
}

bool JumpSession::request(Reader body) {
  std::uint32_t id = 0;
  std::string_view name;
  bool want_reply = false;
  if (!body.uint32(id) || !body.string(name) || !body.boolean(want_reply) || name.size() > kDescriptionMost)
    return false;
  return channels_.contains(id) && !want_reply;  // of a direct-tcpip channel nobody asks for anything
}

bool JumpSession::of_channel(std::uint8_t type, Reader body) {
  std::uint32_t id = 0, more = 0;
  std::string_view bytes;
  if (!body.uint32(id)) return false;
  const auto found = channels_.find(id);
  if (found == channels_.end()) return false;
  JumpChannel& channel = found->second;
  switch (type) {
    case message::kWindowAdjust: return body.uint32(more) && body.at_end() && channel.adjust(more);
    case message::kData: return body.string(bytes) && body.at_end() && channel.data(bytes);
    case message::kEof: return body.at_end() && channel.eof();
    default: return body.at_end() && channel.close();
  }
}

void JumpSession::answered(const monitor::JumpAnswer& answer, Fd socket) {
  --asked_;
  ask();
  const auto found = channels_.find(answer.id);
  if (found == channels_.end() || !found->second.waits()) return;
  if (answer.text.empty() && socket)
    found->second.opened(std::move(socket));
  else
    found->second.refused(answer.text);
}

void JumpSession::hear_monitor() {
  while (auto received = link_.next()) {
    if (std::holds_alternative<monitor::Ping>(received->message)) {
      link_.send(monitor::Pong{to_target_, to_client_});
    } else if (const auto* const answer = std::get_if<monitor::JumpAnswer>(&received->message)) {
      answered(*answer, std::move(received->descriptor));
    } else if (const auto* const end = std::get_if<monitor::End>(&received->message)) {
      client_.disconnect(end->reason, end->text);
      over(Who::monitor, false, end->text);
    } else {
      over(Who::monitor, true, "out of turn");
    }
  }
  if (link_.gone()) over(Who::monitor, false, "the gateway has ended");
}

// libssh's event takes an fd with its events; what has changed is taken out and put in again.
void JumpSession::watch() {
  const std::size_t pending = client_.pending();
  const bool keeps_up = pending < kPendingMost;
  client_.read(pending < kAnswersMost);
  for (auto& [id, channel] : channels_) {
    const short events = channel.events(keeps_up);
    if (events == channel.registered) continue;
    if (channel.registered) ssh_event_remove_fd(event_, channel.fd());
    if (events) ssh_event_add_fd(event_, channel.fd(), events, socket_is_ready, &channel);
    channel.registered = events;
  }
  const auto wanted = static_cast<short>(link_.pending() > 0 ? POLLIN | POLLOUT : POLLIN);
  if (wanted == link_events_) return;
  if (link_events_) ssh_event_remove_fd(event_, link_.fd());
  ssh_event_add_fd(event_, link_.fd(), wanted, looked_at_later, nullptr);
  link_events_ = wanted;
}

void JumpSession::forget_finished() {
  for (auto at = channels_.begin(); at != channels_.end();) {
    const JumpChannel& channel = at->second;
    if (!channel.finished()) {
      ++at;
      continue;
    }
    if (channel.registered) ssh_event_remove_fd(event_, channel.fd());
    to_target_ += channel.bytes_to_target;
    to_client_ += channel.bytes_to_client;
    at = channels_.erase(at);
  }
}

void JumpSession::last_words() {
  if (ended_.violation && ended_.who == Who::client) client_.disconnect(kProtocolError, ended_.text);
  ended_.bytes_to_target = to_target_;
  ended_.bytes_to_client = to_client_;
  link_.send(ended_);
  const auto until = std::chrono::steady_clock::now() + kLastWords;
  while (std::chrono::steady_clock::now() < until &&
         ((!client_.broken() && client_.pending() > 0) || (!link_.gone() && link_.pending() > 0))) {
    ssh_event_dopoll(event_, 100);
    link_.flush();
  }
}

void JumpSession::run() {
  event_ = ssh_event_new();
  link_.stop_blocking();
  if (!event_ || !client_.relay_to(*this) || !client_.join(event_))
    over(Who::monitor, false, "out of memory");
  while (!over_) {
    watch();
    ssh_event_dopoll(event_, -1);
    client_.flush();
    link_.flush();
    hear_monitor();
    forget_finished();
    if (client_.broken()) over(Who::client, false, client_.farewell());
  }
  if (!event_) return;
  last_words();
  for (auto& [id, channel] : channels_)
    if (channel.registered) ssh_event_remove_fd(event_, channel.fd());
  client_.leave();
  if (link_events_) ssh_event_remove_fd(event_, link_.fd());
  ssh_event_free(event_);
}

}  // namespace

void serve_jumps(Link& link, ClientLeg& client) { JumpSession(link, client).run(); }

}  // namespace envgate::ssh::session
