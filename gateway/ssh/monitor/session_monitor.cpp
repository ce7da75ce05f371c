#include "gateway/ssh/monitor/session_monitor.hpp"

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include <array>

#include "base/log.hpp"
#include "base/units.hpp"
#include "gateway/metrics.hpp"
#include "gateway/ssh/monitor/packet_socket.hpp"

namespace envgate::ssh::monitor {
namespace {

using gateway::Offence;

constexpr std::size_t kJumpsMost = 16;  // that look for their way at once
constexpr std::chrono::seconds kPingEvery{15}, kPongWithin{60};
constexpr std::chrono::seconds kRecordStep{5};
constexpr std::chrono::seconds kGoesWithin{10};  // its own last words take half of that at most

unsigned percent() {
  unsigned char byte = 0;
  RAND_bytes(&byte, 1);
  return byte * 100u / 256u;
}

}  // namespace

// Before its end only where the gateway ends: the client is told, the record closed.
SessionMonitor::~SessionMonitor() {
  if (record_signal_) record_signal_->abandoned = true;
  record_.close("gateway_ended");
  if (session_ && !over_) stream_.abort(false);
}

bool SessionMonitor::send(const ToSession& message, int descriptor) {
  if (stream_.send(encode(message), descriptor)) return true;
  over_ = true;
  return false;
}

// One message into said_. False: the deadline has passed, or nothing more will come; over_ tells which.
loop::Task<bool> SessionMonitor::receive(loop::Deadline deadline) {
  thread_local std::array<char, kMessageMax + 1> packet;
  for (;;) {
    const bool ready = co_await net::wait_readable(stream_, deadline);
    if (!ready) co_return false;
    const net::IoResult got = stream_.try_read(packet);
    if (got.status == net::IoStatus::blocked) continue;
    over_ = !got.ok();
    if (over_) co_return false;
    auto message = decode_to_monitor({packet.data(), got.bytes});
    if (!is_in()) OPENSSL_cleanse(packet.data(), got.bytes);  // it may be a password
    if (!message || !may_say(state_, *message) || !is_plausible(*message)) {
      distrust("session_message");
      co_return false;
    }
    said_ = std::move(*message);
    co_return true;
  }
}

void SessionMonitor::end(std::string_view reason, std::string text, std::uint32_t code) {
  reason_ = reason;
  send(End{code, std::move(text)});
  over_ = true;
}

void SessionMonitor::distrust(std::string_view reason) {
  if (is_in()) gateway::Metrics::refused(reason);  // else log_end() does
  log::error(reason == "session_hung" ? "ssh_session_hung" : "ssh_session_distrusted")
      .number("session", static_cast<std::int64_t>(session_->id))
      .text("reason", reason);
  audited_.kill(session_->id);
  reason_ = reason;
  over_ = true;
}

void SessionMonitor::expired() {
  reason_ = "login_grace_exceeded";
  audited_.penalties.add(arrival_.peer.address, Offence::grace_exceeded, loop::Clock::now());
  audited_.kill(session_->id);
}

bool SessionMonitor::enter() {
  const IpAddress& source = arrival_.peer.address;
  std::string_view refused;
  if (audited_.penalties.refuses(source, loop::Clock::now())) refused = "source_penalized";
  const auto verdict = refused.empty() ? audited_.startups.enter(source, percent(), place_)
                                       : gateway::Startups::Verdict::admitted;
  if (verdict != gateway::Startups::Verdict::admitted) refused = to_string(verdict);
  if (refused.empty()) return true;
  gateway::Metrics::refused(refused);
  log::debug("connection_refused").text("reason", refused).text("source_ip", source.to_string());
  return false;
}

bool SessionMonitor::start() {
  auto pair = packet_pair();
  if (!pair || !stream_.open(worker_.reactor, std::move(pair->first))) return false;
  session_.emplace(worker_.sessions, gateway::Protocol::ssh_audited, arrival_.peer, stream_);
  session_->route = route_;
  stream_.set_last_words(encode(ToSession(End{11, "the gateway has ended this session"})));
  if (!audited_.spawn(session_->id, arrival_.peer.address, arrival_.client.get(), pair->second.get())) {
    gateway::Metrics::refused("no_session_process");
    return false;
  }
  arrival_.client.reset();
  entry_ = route_ ? route_->env.str() : std::string(HostKeys::kShared);
  worker_.reactor.timers().arm(*this, worker_.reactor.after(worker_.settings->ssh.audited.login_grace));
  return send(Start{audited_.host_keys.seed_of(entry_)});
}

void SessionMonitor::note_progress(const Pong& pong) {
  relay::Progress& progress = session_->progress;
  const loop::Time now = worker_.reactor.now();
  const bool moved = pong.bytes_to_target != progress.to_target || pong.bytes_to_client != progress.to_client;
  progress.to_target = pong.bytes_to_target;
  progress.to_client = pong.bytes_to_client;
  if (moved) progress.last_activity = now;
  const loop::Clock::duration idle = worker_.settings->timeouts.tunnel_idle;
  if (idle.count() > 0 && now - progress.last_activity >= idle)
    end("idle", "nothing has passed for " + format_duration(worker_.settings->timeouts.tunnel_idle));
}

// What was said by a session that goes on.
void SessionMonitor::heard() {
  ponged_ = worker_.reactor.now();
  if (const auto* const pong = std::get_if<Pong>(&said_)) {
    note_progress(*pong);
  } else if (auto* const ended = std::get_if<Ended>(&said_)) {
    ended_ = std::move(*ended);
    over_ = true;
  } else if (auto* const recorded = std::get_if<Record>(&said_)) {
    record(std::move(recorded->event));
  } else if (auto* const asked = std::get_if<Jump>(&said_)) {
    if (jumps_.size() >= kJumpsMost)
      return distrust("session_message");  // it asks for no more at once (session/jump.cpp)
    jumps_.start(pass_on(std::move(*asked)));
  }
}

void SessionMonitor::record(RecordEvent event) {
  if (std::holds_alternative<Refused>(event)) gateway::Metrics::refused("ssh_policy");
  const recorder::Written written = record_.write(std::move(event), worker_.reactor.now());
  record_full_ = written == recorder::Written::full;
  if (written == recorder::Written::failed) record_signal_->failed = true;
}

// A process that does not answer is stuck, whatever a peer has done to it.
void SessionMonitor::see_whether_it_answers() {
  const loop::Time now = worker_.reactor.now();
  if (now - ponged_ > kPongWithin) return distrust("session_hung");
  pinged_ = now;
  send(Ping{});
}

// Until either end is over. While the record is full, the session is not listened to: it then stops reading
// from its two ends.
loop::Task<void> SessionMonitor::relay() {
  pinged_ = ponged_ = session_->progress.last_activity = worker_.reactor.now();
  while (!over_) {
    if (record_signal_ && record_signal_->failed)
      co_return end("record_failed", "the record of this session cannot be kept");
    if (record_full_) {
      const bool low = co_await record_signal_->low.wait(worker_.reactor.after(kRecordStep));
      record_full_ = record_full_ && !low;
      ponged_ = worker_.reactor.now();
      continue;
    }
    const bool spoke = co_await receive(pinged_ + kPingEvery);
    if (over_) co_return;
    if (spoke)
      heard();
    else if (!over_)
      see_whether_it_answers();
  }
}

void SessionMonitor::punish() {
  const IpAddress& source = arrival_.peer.address;
  if (state_ == State::authenticating && userauth_->failures() > 0)
    audited_.penalties.add(source, userauth_->known() ? Offence::authfail : Offence::invaliduser,
                           loop::Clock::now());
  else if (state_ == State::key_exchange || (state_ == State::authenticating && userauth_->requests() == 0))
    audited_.penalties.add(source, Offence::noauth, loop::Clock::now());
}

loop::Task<void> SessionMonitor::run() {
  if (!enter() || !start()) co_return;
  const gateway::ActiveConnection active(gateway::Protocol::ssh_audited);
  co_await log_in();
  disarm();
  if (is_in() && !over_) co_await relay();
  if (reason_ != "login_grace_exceeded") punish();
  log_end();
  co_await see_it_go();
}

// The process has its last words to say to its ends; if it does not go then, it is stuck.
loop::Task<void> SessionMonitor::see_it_go() {
  thread_local std::array<char, kMessageMax + 1> packet;
  const loop::Deadline until = worker_.reactor.after(kGoesWithin);
  for (;;) {
    const bool ready = co_await net::wait_readable(stream_, until);
    if (!ready) co_return audited_.kill(session_->id);
    const net::IoResult got = stream_.try_read(packet);
    if (got.status == net::IoStatus::end || got.status == net::IoStatus::error) co_return;
  }
}

loop::Task<void> watch_over(gateway::Worker& worker, Arrival arrival) {
  SessionMonitor monitor(worker, arrival);
  co_await monitor.run();
}

}  // namespace envgate::ssh::monitor
