#include <nlohmann/json.hpp>

#include "base/log.hpp"
#include "gateway/control_client.hpp"
#include "gateway/metrics.hpp"
#include "gateway/ssh/auth/payloads.hpp"
#include "gateway/ssh/monitor/session_monitor.hpp"
#include "gateway/ssh/recorder/index.hpp"
#include "gateway/waking.hpp"

namespace envgate::ssh::monitor {
namespace {

constexpr std::chrono::seconds kTargetLogin{30};  // the target's key exchange and login
constexpr std::chrono::seconds kCredentialIn{10};
constexpr std::chrono::milliseconds kAskAgain{300};
constexpr std::chrono::seconds kTurnIn{60};
constexpr std::chrono::milliseconds kAskForTurn{30};
constexpr std::size_t kPlainMost = 64;

// Printable ASCII without blanks, for key ids and audits.
std::string plain(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, kPlainMost)) out += c > ' ' && c < 0x7f ? c : '?';
  return out;
}

Result<void> take_credential(const std::string& body, Target& target) {
  const nlohmann::json given = nlohmann::json::parse(body, nullptr, false);
  if (!given.is_object()) return fail("the control plane's answer is no credential");
  const std::string kind = given.value("credential", "");
  target.credential = kind == "certificate"   ? Credential::certificate
                      : kind == "private_key" ? Credential::private_key
                                              : Credential::password;
  target.user = given.value("user", "");
  target.secret = given.value("secret", "");
  target.host_keys = given.value("host_keys", std::vector<std::string>());
  if (target.user.empty() || target.secret.empty())
    return fail("the control plane's answer is no credential");
  return {};
}

}  // namespace

// A stopped environment that starts on demand: the customer sees how far it is, as banners, before he is
// admitted.
loop::Task<bool> SessionMonitor::wake_it() {
  const std::string env = route_->env.str();
  const auto tell = [this, &env](const std::string& line) {
    send(Reply{auth::banner_payload("envgate: environment " + env + ": " + line + "\n"), false});
  };
  tell("it is " + std::string(to_string(route_->state)) + ", and is started for you");
  gateway::Waiter waiter{"ssh from " + arrival_.peer.address.to_string(), tell,
                         [this] { return over_ || stream_.watch().peer_closed(); }};
  auto woken = co_await gateway::wake(worker_, route_, std::move(waiter),
                                      worker_.reactor.after(worker_.settings->timeouts.wake));
  if (over_) co_return false;
  if (!woken.route) {
    end(woken.timed_out ? "wake_timeout" : "wake_failed",
        "environment " + env + " does not start: " + woken.why);
    co_return false;
  }
  route_ = woken.route;
  session_->route = route_;
  tell("ready");
  co_return true;
}

bool SessionMonitor::is_allowed_from() {
  if (route_->services().allows(arrival_.peer.address)) return true;
  end("source_not_allowed", "environment " + route_->env.str() + " does not allow your address");
  return false;
}

// The route's own say: is it there, for this client?
bool SessionMonitor::may_enter() {
  const routing::Route& route = *route_;
  const std::string env = route.env.str();
  if (route.state != routing::State::running)
    return end(route.state == routing::State::stopped ? "stopped" : "not_running",
               "environment " + env + " is " + std::string(to_string(route.state)) +
                   "; start it and connect again"),
           false;
  if (!is_allowed_from()) return false;
  if (!audited_.recorder)
    return end("records_off",
               "sessions with environment " + env + " are recorded, which is not possible now"),
           false;
  if (const auto recordable = audited_.recorder->can_start(); !recordable) {
    log::error("ssh_not_recordable").text("environment_id", env).error(recordable.error());
    return end("not_recordable",
               "sessions with environment " + env + " are recorded, which is not possible now"),
           false;
  }
  if (route.services().ssh_host_keys.empty())
    return end("no_host_keys", "environment " + env + " has no pinned host key; ask its operator"), false;
  const gateway::Refusal refusal = worker_.shared.guard.admit(route.env, route.services().limits.connections,
                                                              worker_.reactor.now(), environment_);
  if (refusal == gateway::Refusal::none) return true;
  return end(to_string(refusal), "environment " + env + " has too many connections; try again later"), false;
}

loop::Task<bool> SessionMonitor::take_turn() {
  const loop::Deadline until = worker_.reactor.after(kTurnIn);
  while (!audited_.turns.take(route_->env, turn_)) {
    if (stream_.watch().peer_closed()) co_return over_ = true, false;
    if (worker_.reactor.now() >= until)
      co_return end("target_busy",
                    "too many are logging in to environment " + route_->env.str() + " at once; try again"),
          false;
    co_await loop::sleep_until(worker_.reactor, worker_.reactor.now() + kAskForTurn);
  }
  co_return true;
}

loop::Task<bool> SessionMonitor::connect_target() {
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

// The control plane's, where it is the source of routes: a credential of this one environment, for this one
// session.
loop::Task<Result<void>> SessionMonitor::credential(Target& target) {
  const std::string session = std::to_string(session_->id);
  if (worker_.settings->routes.source != gateway::RouteSource::control)
    co_return audited_.onward.provide(
        {login_, handshaken_.public_key, "envgate session=" + session + " user=" + plain(identity_.user),
         wall_clock()},
        target);
  const std::string how =
      identity_.fingerprint.empty() ? std::string(identity_.method) : identity_.fingerprint;
  const std::string body = nlohmann::json{
      {"environment", route_->env.str()},
      {"public_key", handshaken_.public_key},
      {"customer", plain(identity_.user) + "/" + how},
      {"source", arrival_.peer.address.to_string()},
      {"session", session}}.dump();
  for (const loop::Time until = worker_.reactor.now() + kCredentialIn;;) {
    auto answer = co_await gateway::ask_control(worker_.reactor, worker_.settings->routes.control.socket,
                                                "POST /api/gateway/credentials", body, until);
    if (answer && answer->status == 200) {
      const auto taken = take_credential(answer->body, target);
      OPENSSL_cleanse(answer->body.data(), answer->body.size());
      co_return taken;
    }
    if (!answer) {
      log::error("control_unreachable").error(answer.error());
      co_return fail("the control plane does not answer; try again later", answer.error().code);
    }
    const bool soon = answer->status == 409;  // its login is being set: in a moment
    if (!soon || worker_.reactor.now() + kAskAgain >= until) co_return fail(gateway::problem_text(*answer));
    co_await loop::sleep_until(worker_.reactor, worker_.reactor.now() + kAskAgain);
  }
}

bool SessionMonitor::target_answered() {
  if (std::holds_alternative<TargetReady>(said_)) return true;
  const auto* const problem = std::get_if<TargetFailed>(&said_);
  over_ = !problem;  // else it has ended
  if (over_) return false;
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

loop::Task<bool> SessionMonitor::log_in_onward() {
  Target target;
  target.user = login_;
  target.host_keys = route_->services().ssh_host_keys;
  const auto provided = co_await credential(target);
  if (!provided) {
    log::error("ssh_no_credential").text("environment_id", route_->env.view()).error(provided.error());
    co_return end("no_credential", "environment " + route_->env.str() +
                                       " cannot be logged in to now: " + provided.error().message),
        false;
  }
  const Fd socket = target_.release();
  session_->target = route_->ssh_target();
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

// What the route forbids, and what a certificate does not permit.
Policy SessionMonitor::policy() const {
  using routing::SshForbid;
  const routing::Services& services = route_->services();
  const auth::Permissions& may = identity_.permissions;
  Policy out;
  Permitted& permitted = out.permitted;
  permitted.shell = !services.forbids(SshForbid::shell);
  permitted.exec = !services.forbids(SshForbid::exec);
  permitted.sftp = !services.forbids(SshForbid::sftp);
  permitted.pty = !services.forbids(SshForbid::pty) && may.pty;
  permitted.agent = !services.forbids(SshForbid::agent) && may.agent_forwarding;
  permitted.x11 = !services.forbids(SshForbid::x11) && may.x11_forwarding;
  permitted.local_forwarding = !services.forbids(SshForbid::local_forwarding) && may.port_forwarding;
  permitted.remote_forwarding = !services.forbids(SshForbid::remote_forwarding) && may.port_forwarding;
  permitted.unix_forwarding = !services.forbids(SshForbid::unix_forwarding) && may.port_forwarding;
  out.force_command = may.force_command.value_or(services.ssh_force_command);
  out.recording = recorder::recording_of(worker_.settings->audit.records);
  out.recording.input = out.recording.input || services.ssh_record_input;
  return out;
}

bool SessionMonitor::open_record(const Recording& recording) {
  const auto now = std::chrono::system_clock::now();
  recorder::Opening opening;
  opening.number = session_->id;
  opening.facts.session = record_id_ = recorder::new_id(now);
  opening.facts.environment = route_->env.str();
  opening.facts.user = identity_.user;
  opening.facts.source = arrival_.peer.address.to_string();
  opening.facts.owner = route_->services().owner;
  opening.facts.target = login_ + "@" + route_->ssh_target().to_string();
  opening.facts.method = identity_.method;
  opening.facts.started_at = now;
  record_signal_ = std::make_shared<RecordSignal>(worker_.reactor);
  loop::Reactor& reactor = worker_.reactor;
  const auto notify = [signal = record_signal_, &reactor](const recorder::Notice& notice) {
    const bool failed = notice.what == recorder::Notice::What::failed;
    reactor.post([signal, failed] {
      if (signal->abandoned) return;
      signal->failed = signal->failed || failed;
      signal->low.set();
    });
  };
  record_ = audited_.recorder->open(std::move(opening), recording, notify);
  return static_cast<bool>(record_);
}

void SessionMonitor::admit(State next) {
  Admit message;
  message.jump = next == State::jumping;
  if (next == State::relaying) {
    message.policy = policy();
    if (!open_record(message.policy.recording))
      return end("not_recordable", "sessions here are recorded, which is not possible now");
  }
  if (!send(message)) return;
  state_ = next;
  place_.release();
  gateway::Metrics::ssh_login("success");
  log_login();
}

loop::Task<void> SessionMonitor::go_on(auth::Identity identity) {
  identity_ = std::move(identity);
  state_ = State::onward;
  disarm();  // he is who he says; what is to come has deadlines of its own
  if (!route_ || route_->ssh.mode != routing::SshMode::audited) co_return admit(State::jumping);
  if (gateway::sleeps(worker_, *route_)) {
    if (!is_allowed_from()) co_return;
    place_.release();  // of those on their way to a login he is none any more, however long this takes
    const bool woken = co_await wake_it();
    if (!woken) co_return;
  }
  if (!may_enter()) co_return;
  bool good = co_await take_turn();
  if (good) good = co_await connect_target();
  if (good) good = co_await log_in_onward();
  turn_.release();
  if (good) admit(State::relaying);
}

}  // namespace envgate::ssh::monitor
