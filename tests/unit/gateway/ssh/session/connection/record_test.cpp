#include <gtest/gtest.h>

#include "two_ends.hpp"

namespace envgate::ssh::session {
namespace {

using monitor::ChannelEnded;
using monitor::CommandBegan;
using monitor::Exited;
using monitor::FileMoved;
using monitor::Output;
using monitor::RecordEvent;
using monitor::Resized;
using monitor::TerminalBegan;
using test::msg;
using Events = std::vector<RecordEvent>;

class Recorded : public test::TwoEnds {
 protected:
  void SetUp() override { with({}); }
  void with(const monitor::Policy& used) {
    use(used);
    events.clear();
    open_session(1);
  }
  void granted(const std::string& request) {
    passes(kClient, request);
    passes(kTarget, msg(99, 1));
  }
  void more_window(Side side, std::uint32_t bytes) {
    passes(side, msg(93, side == kClient ? 101 : 1, bytes));
  }

  monitor::Policy policy;
};

TEST_F(Recorded, ATerminalFromBeginToEnd) {
  granted(pty(1));
  passes(kClient, ask(1, "window-change", false, 100, 30, 0, 0));
  passes(kClient, ask(1, "shell", true));
  EXPECT_TRUE(events.empty());  // it does not run yet
  passes(kTarget, msg(99, 1));
  passes(kTarget, data(kTarget, 1, "$ "));
  passes(kClient, data(kClient, 1, "id\r"));
  passes(kTarget, msg(95, 1, 1, "err"));
  passes(kClient, ask(1, "window-change", false, 120, 40, 0, 0));
  passes(kClient, ask(1, "window-change", false, 120, 40, 9, 9));  // in characters it is the same
  passes(kTarget, msg(98, 1, "exit-status", false, 3));
  close_both(1);
  EXPECT_EQ(events, (Events{TerminalBegan{1, 100, 30, "xterm", ""}, Output{1, Output::Stream::output, "$ "},
                            Output{1, Output::Stream::error, "err"}, Resized{1, 120, 40}, Exited{1, 3, ""},
                            ChannelEnded{1, 3, 5}}));
}

TEST_F(Recorded, ACommandInATerminal) {
  granted(pty(1));
  granted(ask(1, "exec", true, "top"));
  EXPECT_EQ(events, (Events{TerminalBegan{1, 80, 24, "xterm", "top"}}));
}

TEST_F(Recorded, ARefusedPtyMakesNoTerminal) {
  passes(kClient, pty(1));
  passes(kClient, ask(1, "shell", true));
  passes(kTarget, msg(100, 1));
  passes(kTarget, msg(99, 1));
  EXPECT_EQ(events, (Events{CommandBegan{1, "shell", ""}}));
}

TEST_F(Recorded, AProgramThatDoesNotStartIsNotRecorded) {
  granted(pty(1));
  passes(kClient, ask(1, "shell", true));
  passes(kClient, data(kClient, 1, "typed ahead"));
  passes(kTarget, msg(100, 1));
  passes(kTarget, msg(98, 1, "exit-status", false, 1));
  close_both(1);
  EXPECT_TRUE(events.empty());
}

TEST_F(Recorded, InputOnlyWhereThePolicySaysSo) {
  policy.recording.input = true;
  with(policy);
  granted(pty(1));
  passes(kClient, ask(1, "shell", true));
  passes(kClient, data(kClient, 1, "typed ahead"));
  EXPECT_TRUE(events.empty());
  passes(kTarget, msg(99, 1));
  passes(kClient, data(kClient, 1, "ls\r"));
  EXPECT_EQ(events,
            (Events{TerminalBegan{1, 80, 24, "xterm", ""}, Output{1, Output::Stream::input, "typed ahead"},
                    Output{1, Output::Stream::input, "ls\r"}}));
}

TEST_F(Recorded, MuchInputAheadBeginsTheRecord) {
  policy.recording.input = true;
  with(policy);
  granted(pty(1));
  passes(kClient, ask(1, "shell", true));
  more_window(kTarget, 100'000);
  for (int times = 0; times < 140; ++times) passes(kClient, data(kClient, 1, std::string(500, 'i')));
  ASSERT_FALSE(events.empty());
  EXPECT_TRUE(std::holds_alternative<TerminalBegan>(events[0]));
  passes(kTarget, msg(99, 1));
  std::size_t bytes = 0;
  for (const Output& output : told<Output>()) bytes += output.bytes.size();
  EXPECT_EQ(bytes, 70'000u);  // nothing is lost
  EXPECT_EQ(told<TerminalBegan>().size(), 1u);
}

TEST_F(Recorded, OutputBeforeTheSuccessBeginsTheRecord) {
  passes(kClient, ask(1, "exec", true, "id"));
  passes(kTarget, data(kTarget, 1, "uid=0"));
  passes(kTarget, msg(99, 1));
  EXPECT_EQ(events, (Events{CommandBegan{1, "exec", "id"}, Output{1, Output::Stream::output, "uid=0"}}));
}

TEST_F(Recorded, NoTerminalOutputWhereThePolicySaysSo) {
  policy.recording.terminal = false;
  policy.recording.input = true;
  with(policy);
  granted(pty(1));
  granted(ask(1, "shell", true));
  passes(kTarget, data(kTarget, 1, "$ "));
  passes(kClient, data(kClient, 1, "id\r"));
  close_both(1);
  EXPECT_EQ(events, (Events{TerminalBegan{1, 80, 24, "xterm", ""}, ChannelEnded{1, 3, 2}}));
}

TEST_F(Recorded, ACommandsOutputUpToItsBound) {
  policy.recording.exec_output = 7;
  with(policy);
  granted(ask(1, "exec", true, "make"));
  passes(kClient, data(kClient, 1, "never recorded"));
  passes(kTarget, data(kTarget, 1, "12345"));
  passes(kTarget, msg(95, 1, 1, "678"));
  passes(kTarget, data(kTarget, 1, "90"));
  passes(kTarget, msg(98, 1, "exit-signal", false, "KILL", true, "killed", "en"));
  close_both(1);
  EXPECT_EQ(events,
            (Events{CommandBegan{1, "exec", "make"}, Output{1, Output::Stream::output, "12345"},
                    Output{1, Output::Stream::error, "67"}, Exited{1, 0, "KILL"}, ChannelEnded{1, 14, 10}}));
}

TEST_F(Recorded, NoneOfACommandsOutput) {
  policy.recording.exec_output = 0;
  with(policy);
  granted(ask(1, "exec", true, "make"));
  passes(kTarget, data(kTarget, 1, "12345"));
  EXPECT_EQ(events, (Events{CommandBegan{1, "exec", "make"}}));
}

TEST_F(Recorded, LongOutputComesInPieces) {
  granted(pty(1));
  granted(ask(1, "shell", true));
  passes(kClient, msg(90, "session", 2, 1u << 20, 1u << 20));
  passes(kTarget, msg(91, 2, 102, kWindow, kPacket));
  passes(kClient, ask(2, "exec", false, "cat"));
  passes(kTarget, data(kTarget, 2, std::string(70'000, 'o')));
  ASSERT_EQ(told<Output>().size(), 3u);
  EXPECT_EQ(told<Output>()[0].bytes.size(), monitor::kRecordPieceMax);
  EXPECT_EQ(told<Output>()[2].bytes.size(), 70'000 - 2 * monitor::kRecordPieceMax);
  EXPECT_EQ(told<Output>()[0].channel, 2u);
}

TEST_F(Recorded, ChannelsHaveNumbersThatAreNeverUsedAgain) {
  granted(ask(1, "shell", true));
  close_both(1);
  open_session(1);
  granted(ask(1, "shell", true));
  EXPECT_EQ(told<CommandBegan>()[1].channel, 2u);
}

std::string sftp(std::uint8_t type, std::uint32_t number, const std::string& rest = "") {
  test::Writer body;
  body.byte(type).uint32(number).raw(rest);
  return std::move(test::Writer().string(body.bytes())).bytes();
}

TEST_F(Recorded, SftpByFileAndNotByOutput) {
  passes(kClient, ask(1, "subsystem", true, "sftp"));
  passes(kClient, data(kClient, 1, sftp(1, 3)));  // before the answer, as sftp does
  passes(kTarget, msg(99, 1));
  passes(kTarget, data(kTarget, 1, sftp(2, 3)));
  passes(kClient, data(kClient, 1, sftp(13, 7, std::string("\0\0\0\2/a", 6))));
  passes(kTarget, data(kTarget, 1, sftp(101, 7, std::string(12, '\0'))));
  FileMoved removed;
  removed.channel = 1;
  removed.operation = "remove";
  removed.path = "/a";
  removed.result = "ok";
  EXPECT_EQ(events, (Events{CommandBegan{1, "subsystem", "sftp"}, removed}));
}

TEST_F(Recorded, WhatIsNoTransferAfterAllIsOutput) {
  granted(ask(1, "exec", true, "scp -t /tmp; cat /etc/shadow"));
  passes(kTarget, data(kTarget, 1, std::string(1, '\0')));
  passes(kTarget, data(kTarget, 1, "root:x:"));
  ASSERT_EQ(told<FileMoved>().size(), 1u);
  EXPECT_EQ(told<FileMoved>()[0].operation, "unobserved");
  EXPECT_EQ(told<Output>(), (std::vector<Output>{{1, Output::Stream::output, "root:x:"}}));
}

TEST_F(Recorded, WhatATransferSaysBesideItIsOutput) {
  granted(ask(1, "exec", true, "scp -t /tmp; cat /etc/shadow >&2"));
  passes(kTarget, data(kTarget, 1, std::string(1, '\0')));
  passes(kTarget, msg(95, 1, 1, "root:x:"));
  EXPECT_EQ(told<Output>(), (std::vector<Output>{{1, Output::Stream::error, "root:x:"}}));
}

TEST_F(Recorded, FilesNotAtAllWhereThePolicySaysSo) {
  policy.recording.files = false;
  with(policy);
  granted(ask(1, "exec", true, "scp -t /tmp"));
  passes(kTarget, data(kTarget, 1, std::string(1, '\0')));
  passes(kClient, data(kClient, 1, "C0644 0 f\n"));
  passes(kClient, data(kClient, 1, std::string(1, '\0')));
  passes(kTarget, data(kTarget, 1, std::string(2, '\0')));
  EXPECT_EQ(events, (Events{CommandBegan{1, "exec", "scp -t /tmp"}}));
  passes(kTarget, data(kTarget, 1, "but this is no acknowledgement"));
  EXPECT_EQ(told<Output>().size(), 1u);
  EXPECT_TRUE(told<FileMoved>().empty());
}

}  // namespace
}  // namespace envgate::ssh::session
