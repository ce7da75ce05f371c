#include "gateway/ssh/monitor/monitor.hpp"

#include <openssl/rand.h>
#include <sys/socket.h>

#include <array>
#include <optional>

#include "base/log.hpp"
#include "gateway/metrics.hpp"
#include "gateway/ssh/auth/payloads.hpp"
#include "gateway/ssh/auth/userauth.hpp"
#include "gateway/ssh/entry_name.hpp"
#include "gateway/ssh/monitor/accounts.hpp"
#include "gateway/ssh/monitor/audited.hpp"
#include "gateway/ssh/monitor/packet_socket.hpp"
#include "gateway/ssh/monitor/packet_stream.hpp"

namespace envgate::ssh::monitor {
namespace {

using gateway::Lookup;
using gateway::Offence;
using gateway::Worker;

constexpr std::chrono::seconds kTargetLogin{30};  // the target's key exchange and login
constexpr std::size_t kJumpsMost = 16;            // that look for their way at once
constexpr std::uint32_t kSshPort = 22;
constexpr std::chrono::seconds kPingEvery{15}, kPongWithin{60};
constexpr std::uint32_t kByApplication = 11;      // RFC 4253 section 11.1
constexpr std::uint64_t kBytesMost = 1ull << 50;  // no session moves more; who claims it has been taken over

std::chrono::sys_seconds wall_clock() {
  return std::chrono::time_point_cast<std::chrono::seconds>(std::chrono::system_clock::now());
}

unsigned percent() {
  unsigned char byte = 0;
  RAND_bytes(&byte, 1);
  return byte * 100u / 256u;
}

// Of a Pong, of an Ended: they go into the metrics and the log.
bool plausible(const auto& said) {
  return said.bytes_to_target <= kBytesMost && said.bytes_to_client <= kBytesMost;
}

// Where a thread of the password pool leaves its answer for a monitor that may be gone by then.
struct PasswordAnswer {
  explicit PasswordAnswer(loop::Reactor& reactor) : arrived(reactor) {}
  loop::Event arrived;
  bool right = false, abandoned = false;
};

class Monitor final : loop::Timer {
 public:
  Monitor(Worker& worker, Arrival& arrival)
      : worker_(worker), audited_(*worker.shared.audited), arrival_(arrival), route_(arrival.route) {}
  loop::Task<void> run();

 private:
  enum class State : std::uint8_t { key_exchange, authenticating, onward, relaying };

  bool enter();
  bool start();
  loop::Task<void> log_in();
  loop::Task<void> relay();
  loop::Task<bool> receive(loop::Deadline deadline);

  bool handshaken(Handshaken& said);
  loop::Task<void> authenticate(std::string payload);
  loop::Task<auth::Account> find_account(std::string user);
  loop::Task<bool> check_password(auth::CheckPassword& asked, bool& busy);
  void failed(const auth::Failed& failure);

  loop::Task<void> go_on(auth::Identity identity);
  bool may_enter();
  loop::Task<bool> connect_target();
  loop::Task<bool> log_in_onward();
  bool target_answered();
  void admitted();
  bool relayed();
  loop::Task<void> pass_on(Jump asked);
  loop::Task<Fd> way_to(Jump asked, std::string& refusal);
  bool may_pass_on(const routing::Route& route, std::uint32_t port) const;

  bool send(const ToSession& message, int descriptor = -1);
  void end(std::string_view reason, std::string text, std::uint32_t code = kByApplication);
  void log_login(std::string_view status);
  void log_end();
  void expired() override;  // the login took too long

  Worker& worker_;
  Audited& audited_;
  Arrival& arrival_;
  routing::RoutePtr route_;
  gateway::StartupPlace place_;
  gateway::Permit environment_;
  PacketStream stream_;
  std::optional<gateway::Session> session_;
  State state_ = State::key_exchange;
  bool over_ = false;
  bool logged_ = false;
  std::string_view reason_ = "no_login";  // of the end, where there was no login
  ToMonitor said_;
  Handshaken handshaken_;
  std::optional<auth::Userauth> userauth_;
  auth::Identity identity_;
  std::string entry_;  // whose host key was shown
  std::string login_;
  net::Socket target_;
  std::string target_identification_;
  bool jump_ = false;  // there is no target: connections are passed on
  loop::Scope jumps_;
  std::vector<gateway::Permit> jump_permits_;
  loop::Time pinged_{}, ponged_{};
  std::optional<Ended> ended_;
};

// ---- in and out ----

bool Monitor::send(const ToSession& message, int descriptor) {
  if (stream_.send(encode(message), descriptor)) return true;
  over_ = true;
  return false;
}

// One message into said_. False: the deadline has passed, or nothing more will come; over_ tells which.
loop::Task<bool> Monitor::receive(loop::Deadline deadline) {
  thread_local std::array<char, kMessageMax + 1> packet;
  for (;;) {
    const bool ready = co_await net::wait_readable(stream_, deadline);
    if (!ready) co_return false;
    const net::IoResult got = stream_.try_read(packet);
    if (got.status == net::IoStatus::blocked) continue;
    over_ = !got.ok();
    if (over_) co_return false;
    auto message = decode_to_monitor({packet.data(), got.bytes});
    if (!message) {
      gateway::Metrics::refused("session_message");
      audited_.kill(session_->id);
      over_ = true;
      co_return false;
    }
    said_ = std::move(*message);
    co_return true;
  }
}

void Monitor::end(std::string_view reason, std::string text, std::uint32_t code) {
  reason_ = reason;
  send(End{code, std::move(text)});
  over_ = true;
}

void Monitor::expired() {
  reason_ = "login_grace_exceeded";
  audited_.penalties.add(arrival_.peer.address, Offence::grace_exceeded, loop::Clock::now());
  audited_.kill(session_->id);
}

// ---- the way in ----

bool Monitor::enter() {
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

bool Monitor::start() {
  auto pair = packet_pair();
  if (!pair || !stream_.open(worker_.reactor, std::move(pair->first))) return false;
  session_.emplace(worker_.sessions, gateway::Protocol::ssh_audited, arrival_.peer, stream_);
  session_->route = route_;
  if (!audited_.spawn(session_->id, arrival_.peer.address, arrival_.client.get(), pair->second.get())) {
    gateway::Metrics::refused("no_session_process");
    return false;
  }
  arrival_.client.reset();
  entry_ = route_ ? route_->env.str() : std::string(HostKeys::kShared);
  worker_.reactor.timers().arm(*this, worker_.reactor.after(worker_.settings->ssh.audited.login_grace));
  return send(Start{audited_.host_keys.seed_of(entry_)});
}

bool Monitor::handshaken(Handshaken& said) {
  if (state_ != State::key_exchange || said.session_id.empty()) return false;
  handshaken_ = std::move(said);
  const auto& settings = worker_.settings->ssh.audited;
  auth::UserauthSettings userauth;
  if (const auto key = auth::parse_authorized_key(audited_.host_keys.public_key_of(entry_)))
    userauth.host_key = key->key.blob();
  userauth.dummy_verifier = audited_.dummy_verifier;
  userauth.max_tries = settings.max_tries;
  userauth.passwords = settings.passwords;
  userauth_.emplace(std::move(userauth), handshaken_.session_id, arrival_.peer.address);
  state_ = State::authenticating;
  return true;
}

loop::Task<void> Monitor::log_in() {
  while (!over_ && state_ != State::relaying) {
    const bool heard = co_await receive(loop::kNever);
    if (!heard) co_return;
    bool in_turn = false;
    if (auto* const handshake = std::get_if<Handshaken>(&said_)) {
      in_turn = handshaken(*handshake);
    } else if (auto* const userauth = std::get_if<Userauth>(&said_);
               userauth && state_ == State::authenticating) {
      in_turn = true;
      co_await authenticate(std::move(userauth->payload));
    } else if (auto* const ended = std::get_if<Ended>(&said_); ended && plausible(*ended)) {
      ended_ = std::move(*ended);
      over_ = true;
      co_return;
    }
    if (in_turn) continue;
    gateway::Metrics::refused("session_message");
    audited_.kill(session_->id);
    over_ = true;
  }
}

void Monitor::failed(const auth::Failed& failure) {
  if (failure.reason.empty() || !failure.counted) return;
  gateway::Metrics::ssh_login(failure.reason);
  if (!gateway::AccessLog::enabled()) return;
  const std::string env = route_ ? route_->env.str() : std::string();
  worker_.access_log
      .line("ssh_login", env, route_.get(), arrival_.peer.address.to_string(), "failure", userauth_->user())
      ->text("reason", failure.reason)
      .text("method", failure.method)
      .text("detail", failure.text)
      .number("source_port", arrival_.peer.port)
      .number("session", static_cast<std::int64_t>(session_->id));
}

loop::Task<bool> Monitor::check_password(auth::CheckPassword& asked, bool& busy) {
  const auto answer = std::make_shared<PasswordAnswer>(worker_.reactor);
  struct Abandon {
    PasswordAnswer& answer;
    ~Abandon() { answer.abandoned = true; }
  } abandon{*answer};
  loop::Reactor& reactor = worker_.reactor;
  busy = !audited_.passwords.submit(std::move(asked.password), std::move(asked.verifier),
                                    [answer, &reactor](bool right) {
                                      reactor.post([answer, right] {
                                        answer->right = right;
                                        if (!answer->abandoned) answer->arrived.set();
                                      });
                                    });
  if (busy) co_return false;
  co_await answer->arrived.wait();
  co_return answer->right;
}

loop::Task<auth::Account> Monitor::find_account(std::string user) {
  if (route_) {
    login_ = user;
    co_return account_of(audited_, *route_, user);
  }
  const auto name = parse_entry_name(user);
  if (!name) co_return jump_account(audited_);
  const Lookup lookup = co_await gateway::find_route(worker_, name->env);
  // A plain name that no environment has is anybody's own, as `ssh -J` sends it.
  if (lookup.outcome == Lookup::Outcome::absent && name->login.empty()) co_return jump_account(audited_);
  if (lookup.outcome != Lookup::Outcome::found) co_return auth::Account{};
  route_ = lookup.route;
  session_->route = route_;
  login_ = name->login.empty() ? default_login(*route_) : std::string(name->login);
  co_return account_of(audited_, *route_, login_);
}

loop::Task<void> Monitor::authenticate(std::string payload) {
  auth::Step step = userauth_->take(payload, wall_clock());
  for (;;) {
    if (auto* const asked = std::get_if<auth::NeedAccount>(&step)) {
      auth::Account account = co_await find_account(std::move(asked->user));
      step = userauth_->account(std::move(account));
    } else if (auto* const password = std::get_if<auth::CheckPassword>(&step)) {
      bool busy = false;
      const bool right = co_await check_password(*password, busy);
      step = busy ? userauth_->password_busy() : userauth_->password_checked(right);
    } else if (std::holds_alternative<auth::CheckTotp>(step)) {
      step = userauth_->totp_checked(false);
    } else if (auto* const reply = std::get_if<auth::Reply>(&step)) {
      if (reply->failed) failed(*reply->failed);
      send(Reply{std::move(reply->payload), true});
      co_return;
    } else if (auto* const accepted = std::get_if<auth::Accepted>(&step)) {
      co_await go_on(std::move(accepted->identity));
      co_return;
    } else {
      auto& last = std::get<auth::End>(step);
      failed(last.failed);
      end(last.failed.reason, std::move(last.text), last.reason);
      co_return;
    }
  }
}

// ---- onward ----

// The route's own say: is it there, for this client?
bool Monitor::may_enter() {
  const routing::Route& route = *route_;
  const std::string env = route.env.str();
  if (route.state != routing::State::running)
    return end(route.state == routing::State::stopped ? "stopped" : "not_running",
               "environment " + env + " is " + std::string(to_string(route.state)) +
                   "; start it and connect again"),
           false;
  if (!route.services().allow_from.empty() &&
      !any_contains(route.services().allow_from, arrival_.peer.address))
    return end("source_not_allowed", "environment " + env + " does not allow your address"), false;
  if (route.services().ssh_host_keys.empty())
    return end("no_host_keys", "environment " + env + " has no pinned host key; ask its operator"), false;
  const gateway::Refusal refusal = worker_.shared.guard.admit(route.env, route.services().limits.connections,
                                                              worker_.reactor.now(), environment_);
  if (refusal == gateway::Refusal::none) return true;
  return end(to_string(refusal), "environment " + env + " has too many connections; try again later"), false;
}

loop::Task<bool> Monitor::connect_target() {
  gateway::Metrics& metrics = gateway::the_metrics();
  metrics.target_connects.add();
  auto connected = co_await net::connect(worker_.reactor, route_->ssh_target(),
                                         worker_.reactor.after(worker_.settings->timeouts.connect), target_);
  if (connected) co_return true;
  metrics.target_connect_failures.add();
  const bool slow = connected.error().code == ETIMEDOUT;
  end(slow ? "target_timeout" : "target_refused",
      "environment " + route_->env.str() + (slow ? " does not answer" : " refuses the connection"));
  co_return false;
}

bool Monitor::target_answered() {
  if (auto* const ready = std::get_if<TargetReady>(&said_)) {
    target_identification_ = std::move(ready->identification);
    return true;
  }
  const auto* const problem = std::get_if<TargetFailed>(&said_);
  if (!problem) {
    if (!std::holds_alternative<Ended>(said_)) audited_.kill(session_->id);
    over_ = true;
    return false;
  }
  static constexpr std::string_view kReasons[] = {"target_handshake", "host_key_changed",
                                                  "target_login_refused", "target_lost"};
  const std::string_view reason = kReasons[static_cast<std::size_t>(problem->failure)];
  log::error("ssh_target_failed")
      .text("environment_id", route_->env.view())
      .text("reason", reason)
      .text("detail", problem->text)
      .text("host_key", problem->host_key);
  gateway::Metrics::refused(reason);
  end(reason, problem->failure == TargetFailure::host_key
                  ? "environment " + route_->env.str() +
                        " shows another host key than the one that was pinned (" + problem->host_key +
                        "): it may be another machine; ask its operator"
                  : "environment " + route_->env.str() + " cannot be logged in to: " + problem->text);
  return false;
}

loop::Task<bool> Monitor::log_in_onward() {
  Target target;
  target.user = login_;
  target.host_keys = route_->services().ssh_host_keys;
  const std::string key_id = "envgate session " + std::to_string(session_->id) + " user " + identity_.user;
  auto provided = audited_.onward.provide({login_, handshaken_.public_key, key_id, wall_clock()}, target);
  if (!provided) {
    log::error("ssh_no_credential").text("environment_id", route_->env.view()).error(provided.error());
    co_return end("no_credential", "there is no way to log in to environment " + route_->env.str() + " now"),
        false;
  }
  const Fd socket = target_.release();
  const bool sent = send(target, socket.get());
  OPENSSL_cleanse(target.secret.data(), target.secret.size());
  if (!sent) co_return false;
  const bool heard = co_await receive(worker_.reactor.after(kTargetLogin));
  if (!heard && !over_) {
    audited_.kill(session_->id);
    reason_ = "target_timeout";
    over_ = true;
  }
  co_return heard&& target_answered();
}

loop::Task<void> Monitor::go_on(auth::Identity identity) {
  identity_ = std::move(identity);
  state_ = State::onward;
  jump_ = !route_ || route_->ssh.mode != routing::SshMode::audited;
  if (jump_) co_return admitted();
  if (!may_enter()) co_return;
  bool good = co_await connect_target();
  if (!good) co_return;
  good = co_await log_in_onward();
  if (good) admitted();
}

void Monitor::admitted() {
  Admit admit;
  admit.jump = jump_;
  if (!send(admit)) return;
  state_ = State::relaying;
  disarm();
  place_.release();
  gateway::Metrics::ssh_login("success");
  log_login("success");
}

// ---- while it goes on ----

// What was said, in the last state. False: out of turn.
bool Monitor::relayed() {
  if (const auto* const pong = std::get_if<Pong>(&said_); pong && plausible(*pong)) {
    ponged_ = worker_.reactor.now();
    session_->progress.to_target = pong->bytes_to_target;
    session_->progress.to_client = pong->bytes_to_client;
    return true;
  }
  if (auto* const ended = std::get_if<Ended>(&said_); ended && plausible(*ended)) {
    ended_ = std::move(*ended);
    over_ = true;
    return true;
  }
  if (auto* const asked = std::get_if<Jump>(&said_); asked && jump_ && jumps_.size() < kJumpsMost) {
    jumps_.start(pass_on(std::move(*asked)));
    return true;
  }
  return !jump_ && std::holds_alternative<Record>(said_);
}

// ---- jumps ----

// Whether this customer may go there: it is the environment that he named, or his key is authorized there.
bool Monitor::may_pass_on(const routing::Route& route, std::uint32_t port) const {
  const bool port_of_ssh = port == kSshPort || port == route.ssh.listen_port;
  const bool named = route_ && route_->env == route.env;
  const bool authorized =
      !identity_.key_blob.empty() && audited_.keys.authorized(route.env, identity_.key_blob);
  return port_of_ssh && (named || authorized);
}

// A connected socket to where `asked` leads, or why there is none.
loop::Task<Fd> Monitor::way_to(Jump asked, std::string& refusal) {
  refusal =
      "there is no environment " + asked.host + " for you here";  // the same for all that one may not know
  std::optional<routing::EnvId> env = routing::EnvId::parse_folded(asked.host);
  if (const auto name = worker_.shared.domain.parse(asked.host);
      name && name->kind == routing::HostName::Kind::ssh)
    env = name->env;
  if (!env) co_return Fd();
  const Lookup lookup = co_await gateway::find_route(worker_, *env);
  if (lookup.outcome != Lookup::Outcome::found || !may_pass_on(*lookup.route, asked.port)) co_return Fd();
  const routing::Route& route = *lookup.route;
  if (route.ssh.mode == routing::SshMode::audited) {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0) co_return Fd();
    Fd outer(ends[0]);
    worker_.serve(watch_over(worker_, Arrival{arrival_.via, arrival_.peer, lookup.route, {}, Fd(ends[1])}));
    co_return outer;
  }
  refusal = "environment " + route.env.str() + " is " + std::string(to_string(route.state));
  if (route.state != routing::State::running) co_return Fd();
  refusal = "environment " + route.env.str() + " does not allow your address";
  if (!route.services().allow_from.empty() &&
      !any_contains(route.services().allow_from, arrival_.peer.address))
    co_return Fd();
  refusal = "environment " + route.env.str() + " has too many connections; try again later";
  gateway::Permit permit;
  if (worker_.shared.guard.admit(route.env, route.services().limits.connections, worker_.reactor.now(),
                                 permit) != gateway::Refusal::none)
    co_return Fd();
  refusal = "environment " + route.env.str() + " refuses the connection, or does not answer";
  net::Socket target;
  auto connected = co_await net::connect(worker_.reactor, route.ssh_target(),
                                         worker_.reactor.after(worker_.settings->timeouts.connect), target);
  if (!connected) co_return Fd();
  jump_permits_.push_back(std::move(permit));
  refusal.clear();
  co_return target.release();
}

loop::Task<void> Monitor::pass_on(Jump asked) {
  const std::uint32_t id = asked.id;
  const std::string host = asked.host;
  std::string refusal;
  const Fd socket = co_await way_to(std::move(asked), refusal);
  const bool open = static_cast<bool>(socket);
  if (!open) gateway::Metrics::refused("jump_refused");
  if (gateway::AccessLog::enabled())
    worker_.access_log
        .line("ssh_jump", {}, nullptr, arrival_.peer.address.to_string(), open ? "success" : "failure",
              identity_.user)
        ->text("to", host)
        .text("reason", open ? "" : refusal)
        .number("session", static_cast<std::int64_t>(session_->id));
  send(JumpAnswer{id, open ? "" : refusal}, open ? socket.get() : -1);
}

// A process that does not answer is stuck, whatever a peer has done to it: it ends.
loop::Task<void> Monitor::relay() {
  pinged_ = ponged_ = worker_.reactor.now();
  while (!over_) {
    const bool heard = co_await receive(pinged_ + kPingEvery);
    if (over_) break;
    if (heard) {
      if (relayed()) continue;
      gateway::Metrics::refused("session_message");
      audited_.kill(session_->id);
      break;
    }
    const loop::Time now = worker_.reactor.now();
    if (now - ponged_ > kPongWithin) {
      gateway::Metrics::refused("session_hung");
      log::error("ssh_session_hung").number("session", static_cast<std::int64_t>(session_->id));
      audited_.kill(session_->id);
      break;
    }
    pinged_ = now;
    if (!send(Ping{})) break;
  }
}

void Monitor::log_login(std::string_view status) {
  logged_ = true;
  if (!gateway::AccessLog::enabled()) return;
  auto line =
      worker_.access_log.line("ssh_login", route_ ? route_->env.view() : std::string_view(), route_.get(),
                              arrival_.peer.address.to_string(), status, identity_.user);
  line->text("method", identity_.method)
      .text("login", login_)
      .number("source_port", arrival_.peer.port)
      .number("session", static_cast<std::int64_t>(session_->id));
  if (identity_.second_factor) line->text("second_factor", "totp");
  if (!identity_.fingerprint.empty()) line->text("key", identity_.fingerprint);
  if (!identity_.key_id.empty()) line->text("key_id", identity_.key_id);
}

void Monitor::log_end() {
  const bool in = state_ == State::relaying;
  gateway::Metrics& metrics = gateway::the_metrics();
  if (ended_) {
    metrics.bytes_to_target.add(ended_->bytes_to_target);
    metrics.bytes_to_client.add(ended_->bytes_to_client);
  }
  if (!in) gateway::Metrics::refused(reason_);
  if (!gateway::AccessLog::enabled()) return;
  const std::string_view status = !in                          ? reason_
                                  : session_->killed           ? "killed"
                                  : !ended_                    ? "session_lost"
                                  : ended_->violation          ? "protocol_violation"
                                  : ended_->who == Who::target ? "target_closed"
                                                               : "success";
  const std::string user = userauth_ ? userauth_->user() : std::string();
  auto line = worker_.access_log.line("ssh_connection", route_ ? route_->env.view() : std::string_view(),
                                      route_.get(), arrival_.peer.address.to_string(), status, user);
  line->number("source_port", arrival_.peer.port)
      .text("protocol", to_string(gateway::Protocol::ssh_audited))
      .text("client", handshaken_.client_identification)
      .number("session", static_cast<std::int64_t>(session_->id))
      .seconds("duration", worker_.reactor.now() - session_->started);
  if (!ended_) return;
  line->number("bytes_to_target", static_cast<std::int64_t>(ended_->bytes_to_target))
      .number("bytes_to_client", static_cast<std::int64_t>(ended_->bytes_to_client))
      .text("detail", ended_->text);
}

loop::Task<void> Monitor::run() {
  if (!enter() || !start()) co_return;
  const gateway::ActiveConnection active(gateway::Protocol::ssh_audited);
  co_await log_in();
  disarm();
  if (state_ == State::relaying && !over_) co_await relay();
  if (state_ != State::relaying && reason_ == "no_login" && userauth_ && userauth_->user().empty())
    audited_.penalties.add(arrival_.peer.address, Offence::noauth, loop::Clock::now());
  if (state_ == State::authenticating && userauth_->failures() > 0)
    audited_.penalties.add(arrival_.peer.address,
                           userauth_->known() ? Offence::authfail : Offence::invaliduser, loop::Clock::now());
  log_end();
}

}  // namespace

loop::Task<void> watch_over(Worker& worker, Arrival arrival) {
  Monitor monitor(worker, arrival);
  co_await monitor.run();
}

}  // namespace envgate::ssh::monitor
