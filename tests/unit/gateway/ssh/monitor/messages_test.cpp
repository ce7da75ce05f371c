#include "gateway/ssh/monitor/messages.hpp"

#include <gtest/gtest.h>

#include "gateway/ssh/auth/wire.hpp"

namespace envgate::ssh::monitor {
namespace {

using namespace std::string_literals;

Policy unusual_policy() {
  Policy policy;
  policy.permitted = {false, true, false, true, false, true, false, true, false};
  policy.recording = {false, true, 1ull << 40, false};
  policy.force_command = "backup --now";
  policy.most_channels = 7;
  return policy;
}

const std::vector<ToSession> kToSession = {
    Start{"\0seed"s},
    Reply{"\x34none", false},
    Target{"root", Credential::certificate, "ssh-ed25519-cert-v01@openssh.com AAAA", {"a", "b"}},
    Admit{unusual_policy(), true},
    JumpAnswer{9, "no route"},
    End{2, "too long"},
    Ping{},
};

const std::vector<RecordEvent> kEvents = {
    TerminalBegan{1, 120, 40, "xterm", "top"},
    CommandBegan{2, "subsystem", "sftp"},
    Output{3, Output::Stream::input, "\0\xff"s},
    Resized{4, 1, 2},
    Exited{5, 255, "KILL"},
    ChannelEnded{6, 1ull << 33, 2},
    FileMoved{7, "write", "/a", "/b", "upload", 1ull << 50, "00ff", "ok"},
    Forwarded{8, "direct-tcpip", "db:5432", 1, 2, 3},
    Refused{"x11", "x11-req"},
};

const std::vector<ToMonitor> kToMonitor = {
    Handshaken{"id", "SSH-2.0-x", "kex", "cipher", "mac", "ssh-ed25519 AAAA"},
    Userauth{"\x32..."},
    TargetReady{"SSH-2.0-OpenSSH_9.2"},
    TargetFailed{TargetFailure::host_key, "another key", "SHA256:x"},
    Record{Resized{1, 2, 3}},
    Jump{3, "db", 65535},
    Pong{1, 1ull << 63},
    Ended{Who::target, true, "bad", 5, 6},
};

const std::vector<KeeperMessage> kKeeper = {Spawn{1}, Kill{2}, Gone{3, -1, 4}};

// Whole, it comes back; cut anywhere, or with one byte more, it is refused.
template <typename Message, typename Decode>
void expect_round_trip(const Message& message, Decode decode) {
  const std::string bytes = encode(message);
  const auto read = decode(bytes);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_TRUE(*read == message) << message.index();
  for (std::size_t size = 0; size < bytes.size(); ++size)
    EXPECT_FALSE(decode(std::string_view(bytes).substr(0, size)));
  EXPECT_FALSE(decode(bytes + '\0'));
}

TEST(MonitorMessages, ComeBackAsTheyWere) {
  for (const auto& message : kToSession) expect_round_trip(message, decode_to_session);
  for (const auto& message : kToMonitor) expect_round_trip(message, decode_to_monitor);
  for (const auto& message : kKeeper) expect_round_trip(message, decode_keeper);
  EXPECT_EQ(kToSession.size(), std::variant_size_v<ToSession>);
  EXPECT_EQ(kToMonitor.size(), std::variant_size_v<ToMonitor>);
  EXPECT_EQ(kKeeper.size(), std::variant_size_v<KeeperMessage>);
}

TEST(MonitorMessages, EveryEventComesBack) {
  for (const auto& event : kEvents) expect_round_trip(ToMonitor(Record{event}), decode_to_monitor);
  EXPECT_EQ(kEvents.size(), std::variant_size_v<RecordEvent>);
}

TEST(MonitorMessages, ThereAreNoOthers) {
  EXPECT_FALSE(decode_to_session("\x07"));
  EXPECT_FALSE(decode_to_monitor("\x08"));
  EXPECT_FALSE(decode_keeper("\x03\0\0\0\0\0\0\0\1"s));
  EXPECT_FALSE(decode_to_monitor("\x04\x09\0\0\0\0\0\0\0\0"s));  // a record of an event that is not there
}

TEST(MonitorMessages, BooleansAndEnumerationsAreStrict) {
  std::string reply = encode(ToSession(Reply{"", true}));
  reply.back() = 2;
  EXPECT_FALSE(decode_to_session(reply));
  std::string failed = encode(ToMonitor(TargetFailed{TargetFailure::lost, "", ""}));
  failed[1] = 4;
  EXPECT_FALSE(decode_to_monitor(failed));
  std::string output = encode(ToMonitor(Record{Output{1, Output::Stream::input, ""}}));
  output[6] = 3;
  EXPECT_FALSE(decode_to_monitor(output));
}

TEST(MonitorMessages, NoMessageIsLongerThanTheMost) {
  const std::string fits = encode(ToMonitor(Userauth{std::string(kMessageMax - 5, 'x')}));
  EXPECT_EQ(fits.size(), kMessageMax);
  EXPECT_TRUE(decode_to_monitor(fits));
  EXPECT_FALSE(decode_to_monitor(encode(ToMonitor(Userauth{std::string(kMessageMax - 4, 'x')}))));
}

TEST(MonitorMessages, AListHasABound) {
  EXPECT_TRUE(decode_to_session(encode(ToSession(Target{"", {}, "", std::vector<std::string>(64)}))));
  EXPECT_FALSE(decode_to_session(encode(ToSession(Target{"", {}, "", std::vector<std::string>(65)}))));
  EXPECT_FALSE(decode_to_session("\x02\0\0\0\0\0\0\0\0\0\xff\xff\xff\xff"s));
}

TEST(RecordEvent, TextsAreCutAndLongOnesRefused) {
  auth::Writer writer;
  write(writer, CommandBegan{1, "exec", std::string(kRecordTextMax + 5, 'c')});
  auth::Reader reader(writer.bytes());
  const auto event = read_record_event(reader);
  ASSERT_TRUE(event);
  EXPECT_EQ(std::get<CommandBegan>(*event).command.size(), kRecordTextMax);
  EXPECT_TRUE(reader.at_end());

  auth::Writer longer;
  longer.byte(1).uint32(1).string("exec").string(std::string(kRecordTextMax + 1, 'c'));
  auth::Reader refused(longer.bytes());
  EXPECT_FALSE(read_record_event(refused));
}

TEST(RecordEvent, OutputHasABoundOfItsOwn) {
  for (const std::size_t size : {kRecordPieceMax, kRecordPieceMax + 1}) {
    auth::Writer writer;
    writer.byte(2).uint32(1).byte(0).string(std::string(size, 'o'));
    auth::Reader reader(writer.bytes());
    EXPECT_EQ(read_record_event(reader).has_value(), size == kRecordPieceMax);
  }
}

}  // namespace
}  // namespace envgate::ssh::monitor
