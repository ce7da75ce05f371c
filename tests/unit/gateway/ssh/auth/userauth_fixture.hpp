// A client that writes packets, and a caller that looks up and checks, around one Userauth.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gateway/ssh/auth/payloads.hpp"
#include "gateway/ssh/auth/userauth.hpp"
#include "gateway/ssh/auth/wire.hpp"

namespace envgate::ssh::auth::test {

// yescrypt of "nobody's" and sha512crypt of "correct horse": for their form here, nobody computes them.
inline const std::string kDummy = "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$X3DX6M94c7o.9agCG9G317fhZg9SqC.5i5rd.RhAtQ7";
inline const std::string kVerifier = "$6$rounds=5000$saltstring$" + std::string(86, 'a');

inline std::string request(std::string_view user, std::string_view method, std::string_view rest = {},
                           std::string_view service = "ssh-connection") {
  return Writer().byte(50).string(user).string(service).string(method).raw(rest).bytes();
}
inline std::string password_request(std::string_view user, std::string_view password) {
  return request(user, "password", Writer().boolean(false).string(password).bytes());
}
inline std::string interactive_request(std::string_view user) {
  return request(user, "keyboard-interactive", Writer().string("").string("").bytes());
}
inline std::string answer(std::string_view text) { return Writer().byte(61).uint32(1).string(text).bytes(); }

struct FailureReply {
  std::vector<std::string> methods;
  bool partial = false;
};
inline std::optional<FailureReply> read_failure(std::string_view payload) {
  Reader reader(payload);
  std::uint8_t type = 0;
  std::string_view list;
  FailureReply out;
  if (!reader.byte(type) || type != 51 || !reader.name_list(list) || !reader.boolean(out.partial) ||
      !reader.at_end())
    return std::nullopt;
  while (!list.empty()) out.methods.emplace_back(next_name(list));
  return out;
}

// The prompt of an INFO_REQUEST that has one, without echo.
inline std::string read_prompt(std::string_view payload) {
  Reader reader(payload);
  std::uint8_t type = 0;
  std::uint32_t count = 0;
  std::string_view name, instruction, language, prompt;
  bool echo = true;
  const bool read = reader.byte(type) && type == 60 && reader.string(name) && reader.string(instruction) &&
                    reader.string(language) && reader.uint32(count) && count == 1 && reader.string(prompt) &&
                    reader.boolean(echo) && reader.at_end();
  return read && !echo ? std::string(prompt) : "no prompt";
}

// What is allowed where no certificate says less.
inline Permissions all_permissions() {
  Permissions out;
  out.agent_forwarding = out.port_forwarding = out.pty = out.user_rc = out.x11_forwarding = true;
  return out;
}

class UserauthTest : public testing::Test {
 protected:
  static constexpr std::chrono::sys_seconds kNow{std::chrono::seconds(1'800'000'000)};
  UserauthTest() {
    settings_.dummy_verifier = kDummy;
    alice_.known = true;
    alice_.verifier = kVerifier;
  }
  void start() { auth_.emplace(settings_, session_id_, *IpAddress::parse("203.0.113.7")); }

  // A packet, with the account given where it is asked for.
  Step take(std::string_view payload) {
    if (!auth_) start();
    Step step = auth_->take(payload, kNow);
    if (!std::holds_alternative<NeedAccount>(step)) return step;
    EXPECT_FALSE(std::exchange(looked_up_, true)) << "the account is asked for twice";
    return auth_->account(std::get<NeedAccount>(step).user == "alice" ? alice_ : Account());
  }
  // The same; a password is right where it is "right", and a code where it is "123456".
  Step settle(std::string_view payload) {
    Step step = take(payload);
    if (const auto* const password = std::get_if<CheckPassword>(&step)) {
      checked_.push_back(password->verifier);
      return auth_->password_checked(password->password.view() == "right");
    }
    if (const auto* const code = std::get_if<CheckTotp>(&step))
      return auth_->totp_checked(code->code.view() == "123456");
    return step;
  }
  std::string reason(const Step& step) {
    if (const auto* const reply = std::get_if<Reply>(&step))
      return reply->failed ? std::string(reply->failed->reason) : "no failure";
    if (const auto* const end = std::get_if<End>(&step)) return "end: " + std::string(end->failed.reason);
    return std::holds_alternative<Accepted>(step) ? "accepted" : "waits";
  }
  std::string settled(std::string_view payload) { return reason(settle(payload)); }

  UserauthSettings settings_;
  std::string session_id_ = std::string(32, 'h');
  Account alice_;
  std::optional<Userauth> auth_;
  bool looked_up_ = false;
  std::vector<std::string> checked_;  // the verifiers that passwords were checked against
};

inline std::string payload_of(const Step& step) {
  const auto* const reply = std::get_if<Reply>(&step);
  return reply != nullptr ? reply->payload : "no reply";
}

}  // namespace envgate::ssh::auth::test
