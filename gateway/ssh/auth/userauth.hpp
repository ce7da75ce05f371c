// The server's side of SSH's user authentication, as a state machine without I/O: packets go in, and what is
// to be done comes out. What takes time or another thread (who is this, is this his password) is asked of the
// caller by a Step and answered by the call named there; until then no packet may come in.
//
//   take -> NeedAccount -> account() ->  CheckPassword -> password_checked() ->  Reply, the next take
//                                        CheckTotp     -> totp_checked()         Accepted, the end
//                                                                                End, the end
//
// What a name stands for shows in no reply: methods are the same for all, and a password is checked for all,
// against a verifier of the same cost where there is none. The session process, which hands in the packets,
// is as little believed as the client. Thread: one at a time. Owns: copies, wiped where they are secret.
// Source: RFC 4252, RFC 4256; what they leave open as in OpenSSH's auth2.c.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "base/ip.hpp"
#include "gateway/secret.hpp"
#include "gateway/ssh/auth/account.hpp"
#include "gateway/ssh/auth/wire.hpp"

namespace envgate::ssh::auth {

inline constexpr std::size_t kUserMax = 255;                   // bytes
inline constexpr std::size_t kUserauthPayloadMax = 96 * 1024;  // bytes; a certificate and its signature fit
inline constexpr std::size_t kCodeMax = 64;                    // bytes of a verification code as typed

struct UserauthSettings {
  // The blob of the host key that this connection showed: a login bound to another is refused. Empty: bound
  // logins are not taken.
  std::string host_key;
  std::string dummy_verifier;  // gateway::make_dummy_verifier()
  unsigned max_tries = 6;      // failures; the last one ends the connection. 1 or more
  unsigned max_requests = 64;  // packets in all, whatever became of them
  bool passwords = true;       // false: "password", and "keyboard-interactive" as the first, are not offered
};

struct Failed {
  std::string_view method;  // as in RFC 4252; empty where there is none
  std::string_view reason;  // a literal in snake_case, fit for a metric's label
  std::string text;         // for the operator, not for the client
  bool counted = true;      // as one of max_tries
};

struct NeedAccount {  // account(); once a connection
  std::string user;
};
struct CheckPassword {  // password_checked() or password_busy()
  gateway::Secret password;
  std::string verifier;
};
struct CheckTotp {  // totp_checked()
  gateway::Secret code;
};
struct Reply {
  std::string payload;
  std::optional<Failed> failed;  // nothing: a step forward
};
struct Accepted {
  Identity identity;
};
struct End {
  std::uint32_t reason;  // of SSH_MSG_DISCONNECT, RFC 4253 section 11.1
  std::string text;      // for the client
  Failed failed;
};
using Step = std::variant<NeedAccount, CheckPassword, CheckTotp, Reply, Accepted, End>;

class Userauth {
 public:
  // `session_id`: the exchange hash of the connection's first key exchange.
  Userauth(UserauthSettings settings, std::string session_id, IpAddress peer);

  // SSH_MSG_USERAUTH_REQUEST or _INFO_RESPONSE, type byte first. `payload` is the caller's to wipe: it may
  // have a password in it.
  Step take(std::string_view payload, std::chrono::sys_seconds now);

  // Requires, of each: the last Step asked for it.
  Step account(Account account);
  Step password_checked(bool right);
  Step password_busy();  // it could not be checked now: a failure that does not count
  Step totp_checked(bool right);

  const std::string& user() const { return user_; }  // empty before NeedAccount
  bool known() const { return account_.known; }      // false before account()
  unsigned requests() const { return requests_; }    // 0: left without trying
  unsigned failures() const { return failures_; }    // that counted
  bool partial() const { return partial_; }          // the first factor is done, and the code is due

 private:
  enum class State : std::uint8_t {
    ready,            // for a request
    prompt_password,  // for a request, or an answer to "Password: "
    prompt_code,      // for a request, or an answer to "Verification code: "
    need_account,     // from here on no packet may come
    check_password,
    check_code,
    over,
  };
  struct Method;
  static const Method kMethods[];

  Step take_request(std::string_view payload);
  Step take_first(std::string_view payload, std::string_view user, std::string_view service);
  Step take_response(std::string_view payload);
  Step dispatch(std::string_view method, Reader rest);
  Step take_none(Reader rest);
  Step take_public_key(Reader rest);
  Step take_bound_public_key(Reader rest);
  Step judge_key(Reader rest, bool host_bound);
  Step take_password(Reader rest);
  Step take_interactive(Reader rest);

  Step try_password(std::string_view password);
  Step try_code(std::string_view code);
  bool has_password() const;
  Step first_factor_done(Identity identity);
  Step prompt(State state, std::string_view text);
  void abandon_prompt();
  Step accept(Identity identity);
  Step failure(std::string_view reason, std::string text, bool counted = true);
  std::string failure_reply(bool partial_success) const;
  Step end(std::uint32_t code, std::string text, std::string_view reason);
  Step malformed();

  const UserauthSettings settings_;
  const std::string session_id_;
  const IpAddress peer_;
  State state_ = State::ready;
  std::chrono::sys_seconds now_{};  // of the last packet
  std::string user_;
  gateway::Secret held_;  // the first request, while the account is looked up
  Account account_;
  std::string_view method_;        // of the attempt that runs, of kMethods
  std::optional<Identity> first_;  // the first factor, where a code is due
  bool partial_ = false;           // and the client has been told; it stays
  unsigned requests_ = 0;
  unsigned failures_ = 0;
};

}  // namespace envgate::ssh::auth
