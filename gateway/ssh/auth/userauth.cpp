#include "gateway/ssh/auth/userauth.hpp"

#include <algorithm>
#include <iterator>

#include "base/check.hpp"
#include "base/utf8.hpp"
#include "gateway/password_pool.hpp"
#include "gateway/ssh/auth/key_login.hpp"
#include "gateway/ssh/auth/payloads.hpp"

namespace envgate::ssh::auth {
namespace {

constexpr std::uint32_t kProtocolError = 2;  // RFC 4253 section 11.1
constexpr std::uint32_t kServiceNotAvailable = 7;

constexpr std::string_view kService = "ssh-connection";
constexpr std::string_view kPublicKey = "publickey";
// OpenSSH's PROTOCOL, section 3.1: as "publickey", and the signature covers the host key. Clients that are
// told of it (libssh does, in its EXT_INFO) use nothing else.
constexpr std::string_view kPublicKeyHostBound = "publickey-hostbound-v00@openssh.com";
constexpr std::string_view kPassword = "password";
constexpr std::string_view kInteractive = "keyboard-interactive";
constexpr std::string_view kAllMethods[] = {kPublicKey, kPassword, kInteractive};
constexpr std::string_view kKeyAlone[] = {kPublicKey};
constexpr std::string_view kSecondFactor[] = {kInteractive};

}  // namespace

struct Userauth::Method {
  std::string_view name;
  Step (Userauth::*take)(Reader rest);
  bool is_password;  // not offered where settings_.passwords is off
};

const Userauth::Method Userauth::kMethods[] = {
    {"none", &Userauth::take_none, false},
    {kPublicKey, &Userauth::take_public_key, false},
    {kPublicKeyHostBound, &Userauth::take_bound_public_key, false},
    {kPassword, &Userauth::take_password, true},
    {kInteractive, &Userauth::take_interactive, true},
};

Userauth::Userauth(UserauthSettings settings, std::string session_id, IpAddress peer)
    : settings_(std::move(settings)), session_id_(std::move(session_id)), peer_(peer) {
  CHECK(gateway::is_usable_verifier(settings_.dummy_verifier));
}

// ---- packets ----

Step Userauth::take(std::string_view payload, std::chrono::sys_seconds now) {
  if (state_ >= State::need_account) return end(kProtocolError, "Out of turn", "out_of_turn");
  if (++requests_ > settings_.max_requests)
    return end(kProtocolError, "Too many authentication requests", "too_many_requests");
  if (payload.empty() || payload.size() > kUserauthPayloadMax) return malformed();
  now_ = now;
  switch (static_cast<std::uint8_t>(payload.front())) {
    case kUserauthRequest: return take_request(payload.substr(1));
    case kUserauthInfoResponse: return take_response(payload.substr(1));
    default: return malformed();
  }
}

Step Userauth::take_request(std::string_view payload) {
  Reader reader(payload);
  std::string_view user, service, method;
  if (!reader.string(user) || !reader.string(service) || !reader.string(method)) return malformed();
  abandon_prompt();  // RFC 4252 section 5: of attempts the last one counts
  if (user_.empty()) return take_first(payload, user, service);
  if (user != user_ || service != kService)
    return end(kProtocolError, "Change of username or service not allowed", "user_changed");
  return dispatch(method, reader);
}

Step Userauth::take_first(std::string_view payload, std::string_view user, std::string_view service) {
  if (user.empty() || user.size() > kUserMax || !is_printable_utf8(user))
    return end(kProtocolError, "Invalid user name", "invalid_user_name");
  if (service != kService) return end(kServiceNotAvailable, "Service not available", "unknown_service");
  user_ = user;
  held_ = gateway::Secret(payload);
  state_ = State::need_account;
  return NeedAccount{user_};
}

Step Userauth::account(Account account) {
  CHECK(state_ == State::need_account);
  account_ = std::move(account);
  state_ = State::ready;
  const gateway::Secret payload = std::move(held_);
  Reader reader(payload.view());
  std::string_view user, service, method;
  CHECK(reader.string(user) && reader.string(service) && reader.string(method));
  return dispatch(method, reader);
}

Step Userauth::take_response(std::string_view payload) {
  const State prompted = state_;
  if (prompted == State::ready) return end(kProtocolError, "Out of turn", "out_of_turn");
  state_ = State::ready;
  Reader reader(payload);
  std::uint32_t count = 0;
  std::string_view answer;
  if (!reader.uint32(count)) return malformed();
  // RFC 4256 section 3.4: a failure, not an error.
  if (count != 1) return failure("wrong_response_count", "there was one prompt");
  if (!reader.string(answer) || !reader.at_end()) return malformed();
  return prompted == State::prompt_code ? try_code(answer) : try_password(answer);
}

// ---- methods ----

Step Userauth::dispatch(std::string_view name, Reader rest) {
  const auto method = std::find_if(std::begin(kMethods), std::end(kMethods),
                                   [name](const Method& m) { return m.name == name; });
  if (method == std::end(kMethods)) {
    method_ = {};
    return failure("unknown_method", "the method " + shown(name) + " is not offered");
  }
  method_ = method->name;
  if (partial_ && method->name != kInteractive)
    return failure("second_factor_due", "a verification code is due, and nothing else");
  if (!partial_ && method->is_password && !settings_.passwords)
    return failure("method_not_offered", "passwords are not offered");
  return (this->*method->take)(rest);
}

// Asks for the methods. As in OpenSSH only a client's first packet may do so for nothing.
Step Userauth::take_none(Reader rest) {
  if (!rest.at_end()) return malformed();
  return failure("none", "the client asked for the methods", requests_ > 1);
}

Step Userauth::take_public_key(Reader rest) { return judge_key(rest, false); }
Step Userauth::take_bound_public_key(Reader rest) { return judge_key(rest, true); }

Step Userauth::judge_key(Reader rest, bool host_bound) {
  KeyLogin login;
  login.session_id = session_id_;
  login.user = user_;
  login.peer = peer_;
  login.now = now_;
  if (!rest.boolean(login.is_signed) || !rest.string(login.algorithm) || !rest.string(login.blob) ||
      (host_bound && !rest.string(login.host_key)) || (login.is_signed && !rest.string(login.signature)) ||
      !rest.at_end())
    return malformed();
  if (host_bound && (settings_.host_key.empty() || login.host_key != settings_.host_key))
    return failure("other_host_key", "the login is bound to another host key than the one shown here");
  auto judged = judge(login, account_);
  if (!judged) return failure(judged.error().reason, std::move(judged.error().text));
  if (!login.is_signed) return Reply{pk_ok_payload(login.algorithm, login.blob), std::nullopt};
  return first_factor_done(std::move(*judged));
}

Step Userauth::take_password(Reader rest) {
  bool change = false;
  std::string_view password, new_password;
  if (!rest.boolean(change) || !rest.string(password) || (change && !rest.string(new_password)) ||
      !rest.at_end())
    return malformed();
  if (change) return failure("password_change", "passwords are not changed here");
  return try_password(password);
}

Step Userauth::take_interactive(Reader rest) {
  std::string_view language, submethods;
  if (!rest.string(language) || !rest.string(submethods) || !rest.at_end()) return malformed();
  return partial_ ? prompt(State::prompt_code, "Verification code: ")
                  : prompt(State::prompt_password, "Password: ");
}

// ---- passwords and codes ----

bool Userauth::has_password() const {
  return account_.known && account_.password_allowed && gateway::is_usable_verifier(account_.verifier);
}

// What is refused unchecked is refused for every user alike.
Step Userauth::try_password(std::string_view password) {
  if (password.empty()) return failure("empty_password", "the password is empty");
  if (password.size() > gateway::kPasswordMax)
    return failure("password_too_long", "the password is too long");
  if (password.find('\0') != password.npos) return failure("bad_password", "the password has a NUL");
  state_ = State::check_password;
  const bool usable = gateway::is_usable_verifier(account_.verifier);
  return CheckPassword{gateway::Secret(password), usable ? account_.verifier : settings_.dummy_verifier};
}

Step Userauth::password_checked(bool right) {
  CHECK(state_ == State::check_password);
  state_ = State::ready;
  if (!account_.known) return failure("unknown_user", "there is no such user");
  if (!account_.password_allowed) return failure("password_not_allowed", "the user may have no password");
  if (!has_password()) return failure("no_password", "the user has no password that could be right");
  if (!right) return failure("bad_password", "the password is wrong");
  return first_factor_done(identity_of(user_, method_));
}

Step Userauth::password_busy() {
  CHECK(state_ == State::check_password);
  state_ = State::ready;
  return failure("busy", "too many passwords wait to be checked", false);
}

Step Userauth::try_code(std::string_view code) {
  if (code.size() > kCodeMax) {
    abandon_prompt();
    return failure("bad_code", "the verification code is too long");
  }
  state_ = State::check_code;
  return CheckTotp{gateway::Secret(code)};
}

Step Userauth::totp_checked(bool right) {
  CHECK(state_ == State::check_code && first_);
  state_ = State::ready;
  if (!right) {
    abandon_prompt();
    return failure("bad_code", "the verification code is wrong, or was used before");
  }
  first_->second_factor = true;
  return accept(std::move(*first_));
}

// ---- what comes of it ----

Step Userauth::first_factor_done(Identity identity) {
  if (!account_.totp) return accept(std::move(identity));
  first_ = std::move(identity);
  if (method_ == kInteractive) return prompt(State::prompt_code, "Verification code: ");
  partial_ = true;
  return Reply{failure_reply(true), std::nullopt};
}

Step Userauth::prompt(State state, std::string_view text) {
  state_ = state;
  return Reply{info_request_payload(text), std::nullopt};
}

// A password that was right within keyboard-interactive is good for the code that follows, and no other.
void Userauth::abandon_prompt() {
  state_ = State::ready;
  if (!partial_) first_.reset();
}

Step Userauth::accept(Identity identity) {
  CHECK(account_.known);
  state_ = State::over;
  return Accepted{std::move(identity)};
}

std::string Userauth::failure_reply(bool partial_success) const {
  if (partial_) return failure_payload(kSecondFactor, partial_success);
  return settings_.passwords ? failure_payload(kAllMethods, partial_success)
                             : failure_payload(kKeyAlone, partial_success);
}

Step Userauth::failure(std::string_view reason, std::string text, bool counted) {
  abandon_prompt();
  Failed failed{method_, reason, std::move(text), counted};
  if (!counted || ++failures_ < settings_.max_tries) return Reply{failure_reply(false), std::move(failed)};
  state_ = State::over;
  return End{kProtocolError, "Too many authentication failures", std::move(failed)};
}

Step Userauth::end(std::uint32_t code, std::string text, std::string_view reason) {
  state_ = State::over;
  held_.wipe();
  return End{code, text, Failed{{}, reason, std::move(text), false}};
}

Step Userauth::malformed() { return end(kProtocolError, "Malformed authentication packet", "malformed"); }

}  // namespace envgate::ssh::auth
