// A client, and the session process it may have taken over, that logs in: packets in any order. Nobody is let
// in without the caller's word for a password or a signature that is right, every account is answered alike,
// and after the end there is nothing more.
//
// An input is pieces: a byte of what the caller answers, two of a length, and a packet.
#include <algorithm>
#include <chrono>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/check.hpp"
#include "gateway/ssh/auth/userauth.hpp"

using namespace envgate;
using namespace envgate::ssh::auth;

namespace {

constexpr std::string_view kVerifier =
    "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$X3DX6M94c7o.9agCG9G317fhZg9SqC.5i5rd.RhAtQ7";

enum Answer : std::uint8_t { kPasswordRight = 1, kCodeRight = 2, kBusy = 4 };

struct Piece {
  std::uint8_t answer;
  std::string_view packet;
};

std::vector<Piece> pieces_of(std::string_view input) {
  std::vector<Piece> out;
  while (input.size() >= 3) {
    const auto byte = [&](std::size_t at) { return static_cast<std::uint8_t>(input[at]); };
    const std::size_t size = std::size_t{byte(1)} << 8 | byte(2);
    out.push_back({byte(0), input.substr(3, size)});
    input.remove_prefix(std::min(input.size(), 3 + size));
  }
  return out;
}

// One connection of an account, and what its client could see of it.
class Run {
 public:
  explicit Run(Account account) : account_(std::move(account)), auth_(settings(), "session", IpAddress()) {}

  std::string run(const std::vector<Piece>& pieces) {
    for (const Piece& piece : pieces) {
      Step step = auth_.take(piece.packet, std::chrono::sys_seconds(std::chrono::seconds(1'800'000'000)));
      if (over_) CHECK(std::holds_alternative<End>(step));
      while (!seen(step)) step = answered(step, piece.answer);
      CHECK(auth_.failures() <= settings().max_tries);
    }
    return seen_;
  }

 private:
  static UserauthSettings settings() {
    return {.host_key = "host key", .dummy_verifier = std::string(kVerifier), .max_requests = 20};
  }

  Step answered(const Step& step, std::uint8_t answer) {
    if (const auto* const need = std::get_if<NeedAccount>(&step)) {
      CHECK(!std::exchange(looked_up_, true) && !need->user.empty() && need->user.size() <= kUserMax);
      return auth_.account(account_);
    }
    if (const auto* const check = std::get_if<CheckPassword>(&step)) {
      CHECK(check->verifier == kVerifier && !check->password.empty());
      if (answer & kBusy) return auth_.password_busy();
      password_was_right_ = password_was_right_ || (answer & kPasswordRight);
      return auth_.password_checked(answer & kPasswordRight);
    }
    CHECK(std::holds_alternative<CheckTotp>(step) && account_.known && account_.totp && password_was_right_);
    code_was_right_ = answer & kCodeRight;
    return auth_.totp_checked(answer & kCodeRight);
  }

  // False: the step is not for the client.
  bool seen(const Step& step) {
    if (const auto* const reply = std::get_if<Reply>(&step)) {
      CHECK(!reply->payload.empty() && reply->payload.size() <= kUserauthPayloadMax);
      seen_ += reply->payload;
    } else if (const auto* const end = std::get_if<End>(&step)) {
      CHECK(!end->text.empty() && !end->failed.reason.empty());
      seen_ += end->text;
      over_ = true;
    } else if (const auto* const accepted = std::get_if<Accepted>(&step)) {
      // No input has a signature of an authorized key: it takes a password.
      CHECK(account_.known && account_.verifier == kVerifier && password_was_right_ &&
            (!account_.totp || code_was_right_) && !over_);
      CHECK(accepted->identity.user == auth_.user() && accepted->identity.second_factor == account_.totp);
      over_ = true;
    } else {
      return false;
    }
    return true;
  }

  const Account account_;
  Userauth auth_;
  std::string seen_;
  bool looked_up_ = false, over_ = false, password_was_right_ = false, code_was_right_ = false;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::vector<Piece> pieces = pieces_of({reinterpret_cast<const char*>(data), size});
  Account known;
  known.known = true;
  known.verifier = kVerifier;
  Account with_code = known;
  with_code.totp = true;
  Account locked = known;
  locked.verifier = "!";
  for (const Account& account : {known, with_code, locked, Account()}) Run(account).run(pieces);
  // While no password is right, they are one and the same to a stranger.
  for (Piece& piece : pieces) piece.answer &= static_cast<std::uint8_t>(~kPasswordRight);
  const std::string stranger = Run(Account()).run(pieces);
  for (const Account& account : {known, with_code, locked}) CHECK(Run(account).run(pieces) == stranger);
  return 0;
}
