#include <gtest/gtest.h>

#include "two_ends.hpp"

namespace envgate::ssh::session {
namespace {

using test::Action;
using test::msg;

class Requests : public test::TwoEnds {
 protected:
  void SetUp() override { with({}); }
  void with(const monitor::Policy& used) {
    use(used);
    open_session(1);
    events.clear();
  }

  const std::string success = msg(99, 1), failure = msg(100, 1);  // to the client
  monitor::Policy policy;
};

TEST_F(Requests, KnownOnesPass) {
  passes(kClient, ask(1, "env", true, "LANG", "C"));
  passes(kTarget, success);
  passes(kClient, pty(1));
  passes(kTarget, success);
  passes(kClient, ask(1, "shell", true));
  passes(kTarget, success);
  passes(kClient, ask(1, "window-change", false, 100, 50, 0, 0));
  passes(kClient, ask(1, "signal", false, "INT"));
  passes(kClient, ask(1, "break", true, 500));
  passes(kTarget, failure);
  passes(kClient, ask(1, "eow@openssh.com", false));
  passes(kTarget, msg(98, 1, "keepalive@openssh.com", true));
  passes(kClient, msg(100, 101));
  passes(kTarget, msg(98, 1, "exit-signal", false, "TERM", false, "", ""));
  passes(kTarget, msg(98, 1, "exit-status", false, 0));
  EXPECT_TRUE(told<monitor::Refused>().empty());
}

TEST_F(Requests, UnknownOnesAreAnsweredAndNotPassed) {
  answered(kClient, ask(1, "winadj@putty.projects.tartarus.org", true), failure);
  answered(kClient, ask(1, "exit-status", true, 0), failure);
  dropped(kClient, ask(1, "run@example.com", false, "id"));
  answered(kTarget, msg(98, 1, "exec", true, "id"), msg(100, 101));
  answered(kTarget, msg(98, 1, "auth-agent-req@openssh.com", true), msg(100, 101));
  EXPECT_TRUE(events.empty());
}

TEST_F(Requests, OnAForwardNothingRuns) {
  passes(kClient, msg(90, "direct-tcpip", 2, kWindow, kPacket, "db", 1, "", 0));
  confirm(kTarget, 2);
  for (const char* name : {"shell", "auth-agent-req@openssh.com", "env"})
    answered(kClient, ask(2, name, true), msg(100, 2));
  passes(kClient, ask(2, "eow@openssh.com", false));
}

TEST_F(Requests, EachProgramIsThePolicys) {
  policy.permitted.shell = policy.permitted.exec = policy.permitted.sftp = false;
  with(policy);
  answered(kClient, ask(1, "shell", true), failure);
  refused_once("shell", "");
  answered(kClient, ask(1, "exec", true, "scp -t /tmp"), failure);
  refused_once("exec", "scp -t /tmp");
  answered(kClient, ask(1, "subsystem", true, "sftp"), failure);
  refused_once("sftp", "sftp");
  answered(kClient, ask(1, "subsystem", true, "netconf"), failure);
  refused_once("sftp", "netconf");
  dropped(kClient, ask(1, "shell", false));
}

TEST_F(Requests, PtyX11AndAgentAreThePolicys) {
  policy.permitted.pty = policy.permitted.x11 = policy.permitted.agent = false;
  with(policy);
  answered(kClient, pty(1), failure);
  refused_once("pty", "xterm");
  answered(kClient, ask(1, "x11-req", true, false, "MIT", "00", 0), failure);
  refused_once("x11", "x11-req");
  answered(kClient, ask(1, "auth-agent-req@openssh.com", true), failure);
  refused_once("agent", "auth-agent-req");
  passes(kClient, ask(1, "shell", true));  // without a terminal
}

TEST_F(Requests, OurAnswersWaitForTheTargetsOnTheSameChannel) {
  policy.permitted.pty = false;
  with(policy);
  open_session(2);
  passes(kClient, ask(1, "env", true, "A", "b"));
  dropped(kClient, pty(1));
  passes(kClient, ask(1, "shell", true));
  answered(kClient, pty(2), msg(100, 2));  // nothing is awaited there
  passes_and_answers(kTarget, success, {failure});
  passes(kTarget, success);
  violates(kTarget, success, "nobody");
}

TEST_F(Requests, AnswersThatNobodyAskedForAreViolations) {
  violates(kTarget, success, "nobody");
  passes(kClient, ask(1, "env", false, "A", "b"));
  violates(kTarget, failure, "nobody");
  passes(kClient, ask(1, "env", true, "A", "b"));
  violates(kClient, msg(99, 101), "nobody");
  violates(kTarget, msg(99, 1, 1), "malformed");
}

TEST_F(Requests, ThereIsOneProgramAndOnePtyOnAChannel) {
  passes(kClient, pty(1));
  dropped(kClient, pty(1));
  refused_once("pty", "a pty too many, or too late");
  passes(kClient, ask(1, "exec", true, "id"));
  dropped(kClient, ask(1, "shell", true));
  refused_once("shell", "a second program on one channel");
  passes_and_answers(kTarget, failure, {failure});
  passes_and_answers(kTarget, failure, {failure});
  // Both failed: others may be asked for.
  passes(kClient, pty(1));
  passes(kTarget, success);
  passes(kClient, ask(1, "shell", true));
  passes(kTarget, success);
  answered(kClient, ask(1, "exec", true, "id"), failure);
}

TEST_F(Requests, AForcedCommandRunsInPlaceOfAll) {
  policy.force_command = "menu";
  policy.permitted.shell = policy.permitted.exec = false;
  const std::string forced = ask(1, "exec", true, "menu");
  for (const std::string& asked :
       {ask(1, "shell", true), ask(1, "exec", true, "rm -rf /"), ask(1, "subsystem", true, "sftp")}) {
    with(policy);
    const Verdict verdict = take(kClient, asked);
    EXPECT_EQ(verdict.action, Action::pass);
    EXPECT_EQ(verdict.replacement, forced);
    passes(kTarget, success);
    EXPECT_EQ(events, std::vector<monitor::RecordEvent>{(monitor::CommandBegan{1, "exec", "menu"})});
  }
  policy.permitted.sftp = false;
  with(policy);
  answered(kClient, ask(1, "subsystem", true, "sftp"), failure);
}

TEST_F(Requests, NothingFollowsTheTargetsClose) {
  passes(kTarget, msg(97, 1));
  dropped(kClient, ask(1, "run@example.com", true));  // no answer to it, either
  passes(kClient, ask(1, "env", true, "A", "b"));     // crossed the CLOSE
  passes(kClient, msg(97, 101));
}

TEST_F(Requests, MalformedOnesAreViolations) {
  violates(kClient, msg(98, 101), "malformed");
  violates(kClient, msg(98, 101, "shell"), "malformed");
  violates(kClient, msg(98, 101, std::string(65, 'n'), true), "too long");
  violates(kClient, ask(1, "shell", true, 1), "malformed");
  violates(kClient, ask(1, "exec", true), "malformed");
  violates(kClient, ask(1, "exec", true, "id", "x"), "malformed");
  violates(kClient, ask(1, "subsystem", true, std::string(257, 's')), "too long");
  violates(kClient, ask(1, "pty-req", true, "xterm", 80, 24, 0, 0), "malformed");
  violates(kClient, ask(1, "pty-req", true, std::string(257, 't'), 80, 24, 0, 0, ""), "over-long");
  violates(kClient, ask(1, "window-change", false, 80, 24), "malformed");
  violates(kClient, ask(1, "x11-req", true, false, "MIT"), "malformed");
  violates(kClient, ask(1, "auth-agent-req@openssh.com", true, 1), "malformed");
  violates(kTarget, msg(98, 1, "exit-status", false), "malformed");
  violates(kTarget, msg(98, 1, "exit-signal", false, "KILL"), "malformed");
}

TEST_F(Requests, ThoseWithoutAnAnswerHaveABound) {
  for (int times = 0; times < 1024; ++times) passes(kClient, ask(1, "env", true, "A", "b"));
  violates(kClient, ask(1, "env", true, "A", "b"), "too many");
}

}  // namespace
}  // namespace envgate::ssh::session
