#include <openssl/crypto.h>

#include <nlohmann/json.hpp>

#include "base/log.hpp"
#include "gateway/control_client.hpp"
#include "gateway/ssh/entry_name.hpp"
#include "gateway/ssh/monitor/accounts.hpp"
#include "gateway/ssh/monitor/session_monitor.hpp"

namespace envgate::ssh::monitor {
namespace {

using gateway::Lookup;

constexpr std::chrono::seconds kCodeIn{5};

// Where a thread of the password pool leaves its answer for a monitor that may be gone by then.
struct PasswordAnswer {
  explicit PasswordAnswer(loop::Reactor& reactor) : arrived(reactor) {}
  loop::Event arrived;
  bool right = false, abandoned = false;
};

}  // namespace

void SessionMonitor::handshaken(Handshaken& said) {
  if (said.session_id.empty()) return distrust("session_message");
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
}

loop::Task<void> SessionMonitor::log_in() {
  while (!over_ && !is_in()) {
    const bool spoke = co_await receive(loop::kNever);
    if (!spoke) co_return;
    if (auto* const handshake = std::get_if<Handshaken>(&said_)) {
      handshaken(*handshake);
    } else if (auto* const userauth = std::get_if<Userauth>(&said_)) {
      co_await authenticate(std::move(userauth->payload));
    } else if (auto* const ended = std::get_if<Ended>(&said_)) {
      ended_ = std::move(*ended);
      over_ = true;
    }
  }
}

loop::Task<bool> SessionMonitor::check_password(auth::CheckPassword& asked, bool& busy) {
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

// Codes are the control plane's to check: it has the secrets, and a code is good once, at whichever gateway.
loop::Task<bool> SessionMonitor::check_totp(auth::CheckTotp& asked) {
  if (!route_ || worker_.settings->routes.source != gateway::RouteSource::control) co_return false;
  std::string body =
      nlohmann::json{{"environment", route_->env.str()}, {"code", std::string(asked.code.view())}}.dump(
          -1, ' ', false, nlohmann::json::error_handler_t::replace);
  const auto answer = co_await gateway::ask_control(worker_.reactor, worker_.settings->routes.control.socket,
                                                    "POST /api/gateway/totp", std::move(body),
                                                    worker_.reactor.after(kCodeIn));
  if (!answer || answer->status != 200) {
    log::warn("ssh_code_unchecked")
        .text("environment_id", route_->env.view())
        .text("error", answer ? gateway::problem_text(*answer) : answer.error().message);
    co_return false;
  }
  const nlohmann::json said = nlohmann::json::parse(answer->body, nullptr, false);
  co_return said.is_object() && said.value("ok", false);
}

loop::Task<auth::Account> SessionMonitor::find_account(std::string user) {
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

loop::Task<void> SessionMonitor::authenticate(std::string payload) {
  auth::Step step = userauth_->take(payload, wall_clock());
  OPENSSL_cleanse(payload.data(), payload.size());
  for (;;) {
    if (auto* const asked = std::get_if<auth::NeedAccount>(&step)) {
      auth::Account account = co_await find_account(std::move(asked->user));
      step = userauth_->account(std::move(account));
    } else if (auto* const password = std::get_if<auth::CheckPassword>(&step)) {
      bool busy = false;
      const bool right = co_await check_password(*password, busy);
      step = busy ? userauth_->password_busy() : userauth_->password_checked(right);
    } else if (auto* const code = std::get_if<auth::CheckTotp>(&step)) {
      const bool right = co_await check_totp(*code);
      step = userauth_->totp_checked(right);
    } else if (auto* const reply = std::get_if<auth::Reply>(&step)) {
      if (reply->failed) log_failure(*reply->failed);
      send(Reply{std::move(reply->payload), true});
      co_return;
    } else if (auto* const accepted = std::get_if<auth::Accepted>(&step)) {
      co_await go_on(std::move(accepted->identity));
      co_return;
    } else {
      auto& last = std::get<auth::End>(step);
      log_failure(last.failed);
      end(last.failed.reason, std::move(last.text), last.reason);
      co_return;
    }
  }
}

}  // namespace envgate::ssh::monitor
