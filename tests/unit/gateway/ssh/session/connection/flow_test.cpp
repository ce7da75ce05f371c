#include <gtest/gtest.h>

#include "two_ends.hpp"

namespace envgate::ssh::session {
namespace {

using test::msg;

class Flow : public test::TwoEnds {
 protected:
  void SetUp() override {
    TwoEnds::SetUp();
    open_session(1);
  }
};

TEST_F(Flow, DataPassesBothWaysAndIsCounted) {
  passes(kClient, data(kClient, 1, "hello"));
  passes(kTarget, data(kTarget, 1, "hi"));
  passes(kTarget, msg(95, 1, 1, "err"));
  EXPECT_EQ(connection->bytes_to(kTarget), 5u);
  EXPECT_EQ(connection->bytes_to(kClient), 5u);
}

TEST_F(Flow, NoMessageIsEmptyOrOfAnotherProtocol) {
  violates(kClient, "", "empty");
  for (const std::uint8_t type : {1, 20, 50, 79, 83, 101, 255}) violates(kClient, msg(type), "type");
}

TEST_F(Flow, AChannelMustBeThere) {
  violates(kClient, data(kClient, 2, "x"), "not there");
  violates(kTarget, data(kTarget, 101, "x"), "not there");  // the target's own number
  for (const std::uint8_t type : {93, 96, 97, 99, 100}) violates(kClient, msg(type, 7, 7), "not there");
  violates(kClient, msg(98, 7, "env", false), "not there");
  violates(kClient, msg(94), "no channel");
}

TEST_F(Flow, NothingIsSentBeforeTheOpenIsConfirmed) {
  passes(kClient, session_open(2));
  violates(kTarget, data(kTarget, 2, "x"), "not there");
}

TEST_F(Flow, DataStaysWithinTheWindow) {
  passes(kClient, data(kClient, 1, std::string(500, 'x')));
  passes(kClient, data(kClient, 1, std::string(500, 'x')));
  violates(kClient, data(kClient, 1, "x"), "window");
  passes(kTarget, msg(93, 1, 1));  // the target takes one byte more
  passes(kClient, data(kClient, 1, "x"));
  violates(kClient, msg(95, 101, 1, "x"), "window");  // so does extended data
  passes(kTarget, data(kTarget, 1, "the other direction has a window of its own"));
}

TEST_F(Flow, DataStaysWithinTheMaximumPacket) {
  violates(kClient, data(kClient, 1, std::string(501, 'x')), "maximum packet");
}

TEST_F(Flow, AWindowEndsAt32Bits) {
  passes(kClient, msg(93, 101, 0xffffffffu - kWindow));
  violates(kClient, msg(93, 101, 1), "2^32-1");
}

TEST_F(Flow, NothingBehindAMessage) {
  violates(kClient, data(kClient, 1, "x") + "y", "malformed");
  violates(kClient, msg(93, 101, 1, 1), "malformed");
  violates(kClient, msg(93, 101), "malformed");
  violates(kClient, msg(96, 101, 1), "malformed");
  violates(kClient, msg(97, 101, 1), "malformed");
  violates(kClient, std::string("\x5e\0\0\0\x65\xff\xff\xff\xff", 9), "malformed");  // data of 4 GiB
}

TEST_F(Flow, NoDataAfterEof) {
  passes(kClient, msg(96, 101));
  passes(kTarget, data(kTarget, 1, "the other end may go on"));
  passes(kClient, ask(1, "signal", false, "INT"));
  passes(kClient, msg(93, 101, 10));
  passes(kClient, msg(96, 101));  // nothing new
  violates(kClient, data(kClient, 1, "x"), "after EOF");
}

TEST_F(Flow, CloseEndsTheRightToSendOfOneEndAlone) {
  passes(kClient, msg(97, 101));
  passes(kTarget, data(kTarget, 1, "crossing"));
  passes(kTarget, msg(93, 1, 10));
  passes(kTarget, msg(96, 1));
  violates(kClient, data(kClient, 1, "x"), "after its CLOSE");
  violates(kClient, msg(96, 101), "after its CLOSE");
  violates(kClient, msg(97, 101), "after its CLOSE");
  passes(kTarget, msg(97, 1));
  EXPECT_EQ(connection->channels(), 0u);
  violates(kTarget, msg(97, 1), "not there");
}

TEST_F(Flow, WhatIsLateIsDropped) {
  passes(kClient, msg(97, 101));
  dropped(kClient, msg(93, 101, 10));
  dropped(kClient, ask(1, "env", true, "A", "b"));
  dropped(kClient, msg(99, 101));
  passes(kTarget, msg(97, 1));
  dropped(kClient, msg(93, 101, 10));
  dropped(kTarget, msg(93, 1, 10));
  dropped(kTarget, msg(98, 1, "exit-status", false, 0));
  violates(kClient, msg(93, 0, 10), "not there");  // a number that never was
}

TEST_F(Flow, ANumberIsUsedAgainOnceBothHaveClosed) {
  passes(kClient, msg(97, 101));
  violates(kClient, session_open(1), "in use");
  passes(kTarget, msg(97, 1));
  open_session(1);
  passes(kClient, data(kClient, 1, "x"));
}

TEST_F(Flow, EndOfTheSessionEndsTheChannels) {
  passes(kClient, ask(1, "shell", false));
  connection->end(now);
  EXPECT_EQ(told<monitor::ChannelEnded>().size(), 1u);
  EXPECT_EQ(connection->channels(), 0u);
}

}  // namespace
}  // namespace envgate::ssh::session
