#include <gtest/gtest.h>

#include "two_ends.hpp"

namespace envgate::ssh::session {
namespace {

using test::Action;
using test::msg;

class Opens : public test::TwoEnds {
 protected:
  static std::string direct_tcpip(std::uint32_t number, const std::string& host = "db",
                                  std::uint32_t port = 5432) {
    return msg(90, "direct-tcpip", number, kWindow, kPacket, host, port, "127.0.0.1", 65536);
  }
  static std::string direct_streamlocal(std::uint32_t number, const std::string& path = "/run/x.sock") {
    return msg(90, "direct-streamlocal@openssh.com", number, kWindow, kPacket, path, "", 0);
  }
  static std::string forwarded_tcpip(std::uint32_t number, std::uint32_t port) {
    return msg(90, "forwarded-tcpip", number, kWindow, kPacket, "localhost", port, "10.0.0.1", 40000);
  }
  static std::string failure(std::uint32_t number, std::uint32_t reason, const std::string& text) {
    return msg(92, number, reason, "envgate: " + text, "en");
  }
  static std::string x11(std::uint32_t number) {
    return msg(90, "x11", number, kWindow, kPacket, "127.0.0.1", 6010);
  }
  static std::string agent(std::uint32_t number) {
    return msg(90, "auth-agent@openssh.com", number, kWindow, kPacket);
  }
};

TEST_F(Opens, ForwardsAreToldAtTheirEnd) {
  passes(kClient, direct_tcpip(1));
  now += std::chrono::seconds(1);
  confirm(kTarget, 1);
  passes(kClient, data(kClient, 1, "query"));
  passes(kTarget, data(kTarget, 1, "rows"));
  now += std::chrono::milliseconds(1500);
  EXPECT_TRUE(events.empty());
  close_both(1);
  EXPECT_EQ(events, std::vector<monitor::RecordEvent>{
                        (monitor::Forwarded{1, "direct-tcpip", "db:5432", 5, 4, 1500})});
}

TEST_F(Opens, UnixSocketsAndAddressesOfVersionSix) {
  passes(kClient, direct_streamlocal(1));
  confirm(kTarget, 1);
  passes(kClient, direct_tcpip(2, "::1", 80));
  confirm(kTarget, 2);
  connection->end(now);
  EXPECT_EQ(events, (std::vector<monitor::RecordEvent>{
                        monitor::Forwarded{1, "direct-streamlocal", "/run/x.sock", 0, 0, 0},
                        monitor::Forwarded{2, "direct-tcpip", "[::1]:80", 0, 0, 0}}));
}

TEST_F(Opens, ForwardsAreNotToldWhereThePolicySaysSo) {
  monitor::Policy policy;
  policy.recording.files = false;
  use(policy);
  passes(kClient, direct_tcpip(1));
  confirm(kTarget, 1);
  close_both(1);
  EXPECT_TRUE(events.empty());
}

TEST_F(Opens, LocalForwardingIsThePolicys) {
  monitor::Policy policy;
  policy.permitted.local_forwarding = false;
  use(policy);
  answered(kClient, direct_tcpip(1), failure(1, 1, "direct-tcpip is not permitted here"));
  refused_once("local_forwarding", "db:5432");
  passes(kClient, direct_streamlocal(1));
  policy.permitted.unix_forwarding = false;
  use(policy);
  answered(kClient, direct_streamlocal(1), failure(1, 1, "direct-streamlocal is not permitted here"));
  refused_once("unix_forwarding", "/run/x.sock");
}

TEST_F(Opens, OtherChannelsAreRefused) {
  for (const char* type : {"tun@openssh.com", "x11", "forwarded-tcpip", "auth-agent@openssh.com", "?"}) {
    answered(kClient, msg(90, type, 1, kWindow, kPacket, 1, 2),
             failure(1, 1, "such a channel is not permitted here"));
    refused_once("channel", type);
  }
  EXPECT_EQ(connection->channels(), 0u);
}

TEST_F(Opens, TheTargetOpensWhatTheClientAskedForAlone) {
  for (const std::string& open : {forwarded_tcpip(5, 8080), x11(5), agent(5), session_open(5)}) {
    const Verdict verdict = take(kTarget, open);
    EXPECT_EQ(verdict.action, Action::drop);
    ASSERT_EQ(verdict.replies.size(), 1u);
    EXPECT_EQ(verdict.replies[0].to, kTarget);
    EXPECT_EQ(verdict.replies[0].payload.substr(0, 9), std::string("\x5c\0\0\0\5\0\0\0\1", 9));
  }
  EXPECT_EQ(told<monitor::Refused>().size(), 4u);
}

TEST_F(Opens, AGrantedForwardIsOpenedByTheTarget) {
  passes(kClient, msg(80, "tcpip-forward", true, "localhost", 8080));
  EXPECT_EQ(take(kTarget, forwarded_tcpip(101, 8080)).action, Action::drop);  // not yet
  passes(kTarget, msg(81));
  passes(kTarget, forwarded_tcpip(101, 8080));
  confirm(kClient, 1);
  EXPECT_EQ(take(kTarget, forwarded_tcpip(102, 8081)).action, Action::drop);
  close_both(1);
  EXPECT_EQ(
      told<monitor::Forwarded>(),
      std::vector<monitor::Forwarded>{(monitor::Forwarded{1, "forwarded-tcpip", "localhost:8080", 0, 0, 0})});
}

TEST_F(Opens, ARefusedForwardIsNot) {
  passes(kClient, msg(80, "tcpip-forward", true, "localhost", 8080));
  passes(kTarget, msg(82));
  EXPECT_EQ(take(kTarget, forwarded_tcpip(101, 8080)).action, Action::drop);
}

TEST_F(Opens, TheTargetChoosesAPortAndTheClientCancelsIt) {
  passes(kClient, msg(80, "tcpip-forward", true, "", 0));
  passes(kTarget, msg(81, 43210));
  passes(kTarget, forwarded_tcpip(101, 43210));
  passes(kClient, msg(80, "cancel-tcpip-forward", true, "", 43210));
  passes(kTarget, forwarded_tcpip(102, 43210));  // it was still listening
  passes(kTarget, msg(81));
  EXPECT_EQ(take(kTarget, forwarded_tcpip(103, 43210)).action, Action::drop);
}

TEST_F(Opens, AGrantedUnixForwardIsOpenedByItsPath) {
  const auto open = [](const char* path) {
    return msg(90, "forwarded-streamlocal@openssh.com", 101, kWindow, kPacket, path, "");
  };
  passes(kClient, msg(80, "streamlocal-forward@openssh.com", false, "/tmp/a"));
  EXPECT_EQ(take(kTarget, open("/tmp/b")).action, Action::drop);
  passes(kTarget, open("/tmp/a"));
}

TEST_F(Opens, X11AndAgentAfterTheirRequests) {
  open_session(1);
  passes(kClient, ask(1, "x11-req", true, false, "MIT-MAGIC-COOKIE-1", "00", 0));
  passes(kClient, ask(1, "auth-agent-req@openssh.com", true));
  EXPECT_EQ(take(kTarget, x11(102)).action, Action::drop);
  passes(kTarget, msg(99, 1));
  passes(kTarget, x11(102));
  confirm(kClient, 2);
  EXPECT_EQ(take(kTarget, agent(103)).action, Action::drop);
  passes(kTarget, msg(99, 1));
  passes(kTarget, agent(103));
  confirm(kClient, 3);
  close_both(2);
  close_both(3);
  ASSERT_EQ(told<monitor::Forwarded>().size(), 2u);
  EXPECT_EQ(told<monitor::Forwarded>()[0].kind, "x11");
  EXPECT_EQ(told<monitor::Forwarded>()[1].kind, "agent");
}

TEST_F(Opens, OneChannelTooManyIsRefused) {
  monitor::Policy policy;
  policy.most_channels = 2;
  use(policy);
  passes(kClient, session_open(1));  // opening ones count
  open_session(2);
  answered(kClient, session_open(3), failure(3, 4, "one more channel is not permitted here"));
  refused_once("most_channels", "session");
  close_both(2);
  passes(kClient, session_open(3));
}

TEST_F(Opens, AFailedOpenIsForgotten) {
  passes(kClient, direct_tcpip(1));
  passes(kTarget, msg(92, 1, 2, "Connection refused", ""));
  EXPECT_EQ(connection->channels(), 0u);
  EXPECT_TRUE(events.empty());
  passes(kClient, direct_tcpip(1));
  passes(kTarget, msg(92, 1, 2));  // without a text
}

TEST_F(Opens, AnswersToNobodyAreViolations) {
  violates(kTarget, msg(91, 1, 101, kWindow, kPacket), "nobody");
  violates(kTarget, msg(92, 1, 2, "", ""), "nobody");
  passes(kClient, session_open(1));
  violates(kClient, msg(91, 1, 2, kWindow, kPacket), "nobody");  // by the one who asked
  confirm(kTarget, 1);
  violates(kTarget, msg(91, 1, 102, kWindow, kPacket), "nobody");
  violates(kTarget, msg(92, 1, 2, "", ""), "nobody");
}

TEST_F(Opens, NumbersAreUsedOnce) {
  open_session(1);
  violates(kClient, session_open(1), "in use");
  passes(kClient, session_open(2));
  violates(kClient, session_open(2), "in use");
  violates(kTarget, msg(91, 2, 101, kWindow, kPacket), "in use");
}

TEST_F(Opens, BothEndsMayUseTheSameNumbers) {
  passes(kClient, msg(80, "tcpip-forward", false, "", 80));
  passes(kClient, session_open(0));
  passes(kTarget, forwarded_tcpip(0, 80));
  passes(kTarget, msg(91, 0, 1, kWindow, kPacket));
  passes(kClient, msg(91, 0, 1, kWindow, kPacket));
  passes(kClient, msg(94, 1, "to the session"));
  passes(kClient, msg(94, 0, "to the forward"));
}

TEST_F(Opens, MalformedOnesAreViolations) {
  violates(kClient, msg(90), "malformed");
  violates(kClient, msg(90, "session", 1, kWindow), "malformed");
  violates(kClient, msg(90, "session", 1, kWindow, kPacket, 1), "malformed");
  violates(kClient, msg(90, "direct-tcpip", 1, kWindow, kPacket, "db"), "malformed");
  violates(kClient, direct_tcpip(1, "db", 65536), "malformed");
  violates(kClient, direct_tcpip(1, std::string(1026, 'h')), "malformed");
  violates(kClient, direct_tcpip(1) + "x", "malformed");
  violates(kClient, direct_streamlocal(1, std::string(4097, 'p')), "malformed");
  violates(kClient, msg(90, std::string(65, 't'), 1, kWindow, kPacket), "too long");
  violates(kTarget, msg(90, "forwarded-tcpip", 1, kWindow, kPacket), "malformed");
  violates(kTarget, msg(90, "x11", 1, kWindow, kPacket), "malformed");
  violates(kTarget, agent(1) + "x", "malformed");
  passes(kClient, session_open(1));
  violates(kTarget, msg(91, 1), "malformed");
  violates(kTarget, msg(92, 1, 2, std::string(4097, 'r'), ""), "too long");
}

TEST_F(Opens, RefusalsHaveAnEnd) {
  for (int times = 0; times < 10'000; ++times)
    ASSERT_EQ(take(kClient, msg(90, "tun@openssh.com", 1, kWindow, kPacket)).action, Action::drop);
  violates(kClient, msg(90, "tun@openssh.com", 1, kWindow, kPacket), "forbidden");
}

}  // namespace
}  // namespace envgate::ssh::session
