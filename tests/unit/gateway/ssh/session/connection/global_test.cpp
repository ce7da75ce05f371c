#include <gtest/gtest.h>

#include "two_ends.hpp"

namespace envgate::ssh::session {
namespace {

using test::Action;
using test::msg;

class Global : public test::TwoEnds {
 protected:
  static std::string ask(const char* name, bool want_reply = true) { return msg(80, name, want_reply); }
  const std::string success = msg(81), failure = msg(82);
  const std::string keepalive = ask("keepalive@openssh.com");
  const std::string forward = msg(80, "tcpip-forward", true, "localhost", 8080);

  void forbid_forwarding() {
    monitor::Policy policy;
    policy.permitted.remote_forwarding = policy.permitted.unix_forwarding = false;
    use(policy);
  }
};

TEST_F(Global, KeepaliveAndUnknownOnesPassBothWays) {
  for (const Side side : {kClient, kTarget}) {
    passes(side, keepalive);
    passes(side, ask("what@is.this", false));
    passes(other(side), failure);
  }
  passes(kClient, ask("no-more-sessions@openssh.com", false));
}

TEST_F(Global, AnswersThatNobodyAskedForAreViolations) {
  violates(kTarget, success, "nobody");
  violates(kClient, failure, "nobody");
  passes(kClient, ask("no-more-sessions@openssh.com", false));
  violates(kTarget, success, "nobody");
  passes(kClient, keepalive);
  violates(kClient, success, "nobody");  // by the one who asked
}

TEST_F(Global, ForwardingIsThePolicys) {
  forbid_forwarding();
  answered(kClient, forward, failure);
  refused_once("remote_forwarding", "localhost:8080");
  answered(kClient, msg(80, "cancel-tcpip-forward", true, "localhost", 8080), failure);
  refused_once("remote_forwarding", "localhost:8080");
  answered(kClient, msg(80, "streamlocal-forward@openssh.com", true, "/tmp/a"), failure);
  refused_once("unix_forwarding", "/tmp/a");
  answered(kClient, msg(80, "cancel-streamlocal-forward@openssh.com", true, "/tmp/a"), failure);
  refused_once("unix_forwarding", "/tmp/a");
  dropped(kClient, msg(80, "tcpip-forward", false, "localhost", 8080));
}

TEST_F(Global, OurAnswersWaitForTheTargets) {
  forbid_forwarding();
  passes(kClient, keepalive);
  dropped(kClient, forward);
  dropped(kClient, forward);
  passes(kClient, keepalive);
  dropped(kClient, forward);
  passes_and_answers(kTarget, failure, {failure, failure});
  passes_and_answers(kTarget, success, {failure});
  violates(kTarget, success, "nobody");
}

TEST_F(Global, TheTargetsHostKeysAreNotTheClients) {
  dropped(kTarget, msg(80, "hostkeys-00@openssh.com", false, "key"));
  answered(kTarget, msg(80, "hostkeys-00@openssh.com", true, "key"), failure);
  answered(kClient, msg(80, "hostkeys-prove-00@openssh.com", true, "key"), failure);
  EXPECT_TRUE(events.empty());
}

TEST_F(Global, MalformedOnesAreViolations) {
  violates(kClient, msg(80), "malformed");
  violates(kClient, msg(80, "keepalive@openssh.com"), "malformed");
  violates(kClient, msg(80, std::string(65, 'n'), true), "too long");
  violates(kClient, msg(80, "tcpip-forward", true, "localhost"), "malformed");
  violates(kClient, msg(80, "tcpip-forward", true, "localhost", 80, 1), "malformed");
  violates(kClient, msg(80, "tcpip-forward", true, "localhost", 65536), "cannot be");
  violates(kClient, msg(80, "tcpip-forward", true, std::string(1026, 'h'), 80), "cannot be");
  violates(kClient, msg(80, "streamlocal-forward@openssh.com", true, std::string(4097, 'p')), "cannot be");
}

TEST_F(Global, RequestsWithoutAnAnswerHaveABound) {
  for (int times = 0; times < 1024; ++times) passes(kClient, keepalive);
  violates(kClient, keepalive, "too many");
}

TEST_F(Global, ForwardsHaveABound) {
  for (std::uint32_t port = 1; port <= 512; ++port) {
    passes(kClient, msg(80, "tcpip-forward", true, "", port));
    passes(kTarget, success);
  }
  answered(kClient, msg(80, "tcpip-forward", true, "", 1000), failure);
  refused_once("remote_forwarding", ":1000");
  passes(kClient, msg(80, "cancel-tcpip-forward", true, "", 1));
  passes(kTarget, success);
  passes(kClient, msg(80, "tcpip-forward", true, "", 1000));
}

}  // namespace
}  // namespace envgate::ssh::session
