// What is recorded, and how much may wait.
#include "gateway/ssh/recorder/recorder.hpp"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <future>

#include "gateway/ssh/recorder/session_writer.hpp"
#include "tests/unit/gateway/ssh/recorder/fixtures.hpp"

namespace envgate::ssh::recorder::test {
namespace {

using monitor::ChannelEnded;
using monitor::CommandBegan;
using monitor::Exited;
using monitor::FileMoved;
using monitor::Forwarded;
using monitor::Output;
using monitor::Refused;
using monitor::Resized;
using monitor::TerminalBegan;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST_F(RecorderTest, ATerminalBecomesACast) {
  start();
  ASSERT_TRUE(recorder_->can_start());
  Handle handle = open("s-1");
  const auto began = now();
  EXPECT_EQ(handle.write(TerminalBegan{1, 100, 30, "xterm", ""}, began), Written::good);
  EXPECT_EQ(handle.write(shown(1, "hi \xc3"), began + milliseconds(100)), Written::good);
  EXPECT_EQ(handle.write(Output{1, Output::Stream::input, "typed"}, began + milliseconds(150)),
            Written::good);
  EXPECT_EQ(handle.write(shown(1, "\xa9"), began + milliseconds(200)), Written::good);
  EXPECT_EQ(handle.write(Resized{1, 0, 4'000'000'000}, began + milliseconds(300)), Written::good);
  EXPECT_EQ(handle.write(Exited{1, 3, ""}, began + milliseconds(400)), Written::good);
  EXPECT_EQ(handle.write(ChannelEnded{1, 5, 6}, began + milliseconds(400)), Written::good);
  EXPECT_EQ(recorder_->number_of("s-1"), 7u);
  handle.close("logged out");
  ASSERT_TRUE(closed("s-1"));

  ASSERT_TRUE(good("s-1-1.cast"));
  const auto lines = json_lines(read_file(path("s-1-1.cast")));
  EXPECT_EQ(lines[0]["width"], 100);
  EXPECT_EQ(lines[0]["envgate"]["method"], "publickey");
  EXPECT_EQ(
      std::vector(lines.begin() + 1, lines.end()),
      (std::vector<Json>{{0.1, "o", "hi "}, {0.2, "o", "\xc3\xa9"}, {0.3, "r", "1x10000"}, {0.4, "x", "3"}}));
  const IndexEntry index = entry("s-1");
  EXPECT_THAT(index.files, ElementsAre("s-1-1.cast"));
  EXPECT_TRUE(index.ended);
  EXPECT_EQ(index.reason, "logged out");
  EXPECT_EQ(index.incomplete, "");
  EXPECT_EQ(index.bytes_to_target, 5u);
  EXPECT_EQ(index.bytes_to_client, 6u);
  EXPECT_EQ(index.bytes, std::filesystem::file_size(path("s-1-1.cast")));
  EXPECT_THAT(notices_.all(), IsEmpty());
}

TEST_F(RecorderTest, EverythingElseBecomesAnActivityLog) {
  start();
  Handle handle = open("s-1");
  handle.write(CommandBegan{2, "exec", "uptime"}, now());
  handle.write(shown(2, "up"), now());
  handle.write(Output{2, Output::Stream::error, "!"}, now());
  handle.write(Output{2, Output::Stream::input, "secret"}, now());
  handle.write(Exited{2, 0, "KILL"}, now());
  handle.write(ChannelEnded{2, 1, 2}, now());
  handle.write(FileMoved{3, "write", "/a", "", "upload", 12, "", "ok"}, now());
  handle.write(Forwarded{4, "direct-tcpip", "db:5432", 9, 8, ~std::uint64_t{0}}, now());
  handle.write(Refused{"x11", "not here"}, now());
  handle.close("done");
  ASSERT_TRUE(closed("s-1"));
  ASSERT_TRUE(good("s-1.jsonl"));
  std::vector<std::string> events;
  for (const Json& line : json_lines(read_file(path("s-1.jsonl"))))
    if (line.contains("event")) events.push_back(line["event"]);
  EXPECT_THAT(events,
              ElementsAre("exec", "output", "output", "exit", "closed", "file", "forward", "refused"));
  EXPECT_THAT(read_file(path("s-1.jsonl")), testing::Not(HasSubstr("secret")));
  EXPECT_EQ(entry("s-1").bytes_to_target, 10u);
}

TEST_F(RecorderTest, WhatThePolicyLeavesOutIsNotThere) {
  start();
  monitor::Recording recording;
  recording.terminal = false;
  recording.files = false;
  Handle handle = open("s-1", recording);
  handle.write(FileMoved{1, "read", "/a", "", "download", 1, "", "ok"}, now());
  handle.write(Forwarded{2, "x11", "", 1, 1, 1}, now());
  handle.write(TerminalBegan{3, 80, 24, "xterm", "top"}, now());
  handle.write(shown(3, "screen"), now());
  handle.close("done");
  ASSERT_TRUE(closed("s-1"));
  EXPECT_THAT(entry("s-1").files, ElementsAre("s-1.jsonl"));
  const std::string log = read_file(path("s-1.jsonl"));
  EXPECT_THAT(log, HasSubstr(R"("kind":"terminal","command":"top")"));
  for (const char* const absent : {"screen", "/a", "x11"}) EXPECT_EQ(log.find(absent), log.npos) << absent;
}

TEST_F(RecorderTest, CommandsAreKeptWithoutTheirOutputWhereNoneIsAskedFor) {
  options_.exec_output = Bytes{0};
  start();
  Handle handle = open("s-1", recording_of(options_));
  handle.write(CommandBegan{4, "exec", "cat"}, now());
  handle.write(shown(4, "kept?"), now());
  handle.close("done");
  ASSERT_TRUE(closed("s-1"));
  EXPECT_THAT(read_file(path("s-1.jsonl")),
              testing::AllOf(HasSubstr("cat"), testing::Not(HasSubstr("kept?"))));
}

TEST_F(RecorderTest, InputIsKeptWhereThePolicySaysSo) {
  start();
  monitor::Recording recording;
  recording.input = true;
  Handle handle = open("s-1", recording);
  handle.write(TerminalBegan{1, 80, 24, "", ""}, now());
  handle.write(Output{1, Output::Stream::input, "ls\r"}, now());
  handle.close("done");
  ASSERT_TRUE(closed("s-1"));
  EXPECT_THAT(read_file(path("s-1-1.cast")), HasSubstr(R"("i", "ls\r")"));
}

TEST_F(RecorderTest, OnlyItsAccountMayLook) {
  start();
  Handle handle = open("s-1");
  handle.write(TerminalBegan{1, 80, 24, "", ""}, now());
  handle.close("done");
  ASSERT_TRUE(closed("s-1"));
  struct stat info {};
  ASSERT_EQ(::stat(options_.directory.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0700u);
  for (const char* const name : {"s-1.json", "s-1-1.cast", "s-1-1.cast.chain"}) {
    ASSERT_EQ(::stat(path(name).c_str(), &info), 0) << name;
    EXPECT_EQ(info.st_mode & 0777, 0600u) << name;
  }
}

TEST_F(RecorderTest, AnOpenSessionIsInTheIndex) {
  start();
  Handle handle = open("s-1");
  handle.write(TerminalBegan{1, 80, 24, "", ""}, now());
  ASSERT_TRUE(eventually([&] {
    const auto read = read_entry(options_.directory, "s-1");
    return read && read->files.size() == 1;
  }));
  EXPECT_FALSE(entry("s-1").ended);
  EXPECT_EQ(entry("s-1").number, 7u);
  recorder_->stop();
  EXPECT_EQ(entry("s-1").reason, "the gateway has stopped");
  EXPECT_TRUE(good("s-1-1.cast"));
  EXPECT_EQ(handle.write(shown(1, "late"), now()), Written::failed);
  EXPECT_FALSE(recorder_->can_start());
}

// A block's time passes without another event.
TEST_F(RecorderTest, BlocksEndInTime) {
  start();
  Handle handle = open("s-1");
  const auto before = now() - seconds(60);  // so that it is due already
  handle.write(TerminalBegan{1, 80, 24, "", ""}, before);
  handle.write(shown(1, "here"), before);
  EXPECT_TRUE(eventually([&] {
    const auto verdict = record::verify_file(path("s-1-1.cast"), recorder_->public_key());
    return verdict && verdict->open && verdict->blocks == 2 && verdict->uncovered == 0;
  }));
}

// Holds the recorder's thread where it tells of a session's failure, so that everything else waits.
class Stalled {
 public:
  explicit Stalled(Recorder& recorder) {
    handle_ = recorder.open(opening("stall-1"), {}, [held = held_.get_future().share(), this](const Notice&) {
      reached_.set_value();
      held.wait();
    });
    handle_.write(CommandBegan{0, "exec", ""}, std::chrono::steady_clock::now());  // channels begin at 1
    reached_.get_future().wait();
  }
  ~Stalled() { go_on(); }
  void go_on() {
    if (!std::exchange(gone_, true)) held_.set_value();
  }

 private:
  std::promise<void> reached_, held_;
  bool gone_ = false;
  Handle handle_;
};

TEST_F(RecorderTest, AHandleIsFullAndThenLow) {
  start();
  Stalled stalled(*recorder_);
  Handle handle = open("s-1");
  handle.write(TerminalBegan{1, 80, 24, "", ""}, now());
  const std::string piece(monitor::kRecordPieceMax, 'x');
  int good_ones = 0;
  while (handle.write(shown(1, piece), now()) == Written::good) ++good_ones;
  EXPECT_EQ(good_ones, 15);
  EXPECT_GT(handle.outstanding(), kHandleHigh);
  EXPECT_EQ(handle.write(shown(1, piece), now()), Written::full);
  EXPECT_THAT(notices_.all(), IsEmpty());
  stalled.go_on();
  ASSERT_TRUE(notices_.wait(Notice::What::low));
  EXPECT_TRUE(eventually([&] { return handle.outstanding() == 0; }));
  EXPECT_EQ(notices_.all().size(), 1u);
  EXPECT_EQ(handle.write(shown(1, piece), now()), Written::good);
  handle.close("done");
  ASSERT_TRUE(closed("s-1"));
  EXPECT_TRUE(good("s-1-1.cast"));
  EXPECT_GT(entry("s-1").bytes, 18 * piece.size());
}

TEST_F(RecorderTest, OneThatDoesNotStopIsEnded) {
  start();
  Stalled stalled(*recorder_);
  Handle handle = open("s-1");
  const std::string piece(monitor::kRecordPieceMax, 'x');
  Written last = Written::good;
  std::size_t taken = 0;
  for (; last != Written::failed && taken < 2 * kHandleMost; taken += piece.size())
    last = handle.write(shown(1, piece), now());
  EXPECT_EQ(last, Written::failed);
  EXPECT_LE(taken, kHandleMost);
  stalled.go_on();
  handle.close("failed");
  ASSERT_TRUE(closed("s-1"));
  EXPECT_THAT(entry("s-1").incomplete, HasSubstr("waited to be written"));
}

TEST_F(RecorderTest, NoSessionStartsWhileTooMuchWaits) {
  start();
  Stalled stalled(*recorder_);
  std::vector<Handle> handles;
  const std::string piece(1u << 20, 'x');
  for (int i = 0; recorder_->can_start() && i < 100; ++i) {
    handles.push_back(open("s-" + std::to_string(i)));
    for (int pieces = 0; pieces < 7; ++pieces) handles.back().write(shown(1, piece), now());
  }
  EXPECT_EQ(handles.size(), kBacklogMost / (7u << 20) + 1);
  EXPECT_THAT(recorder_->can_start().error().message, HasSubstr("too slow"));
  Handle late = open("s-late");
  EXPECT_EQ(late.write(shown(1, std::string(40 * 1024, 'x')), now()), Written::good);
  EXPECT_EQ(late.write(shown(1, std::string(40 * 1024, 'x')), now()), Written::full) << "as all together are";
  stalled.go_on();
  EXPECT_TRUE(eventually([&] { return recorder_->can_start().has_value(); }));
}

// After close() nothing may reach what the notices went to.
TEST_F(RecorderTest, NothingIsToldAfterClose) {
  start();
  Stalled stalled(*recorder_);
  Handle handle = open("s-1");
  handle.write(CommandBegan{0, "exec", ""}, now());
  handle.close("gone");
  stalled.go_on();
  ASSERT_TRUE(closed("s-1"));
  EXPECT_THAT(notices_.all(), IsEmpty());
  EXPECT_THAT(entry("s-1").incomplete, HasSubstr("a second time"));
}

TEST_F(RecorderTest, EventsThatMakeNoSenseEndTheSession) {
  options_.on_failure = gateway::OnRecordFailure::go_on;  // whatever that says
  start();
  Handle handle = open("s-1");
  handle.write(TerminalBegan{2, 80, 24, "", ""}, now());
  handle.write(CommandBegan{2, "exec", "id"}, now());
  ASSERT_TRUE(notices_.wait(Notice::What::failed));
  EXPECT_THAT(notices_.all().back().why, HasSubstr("a second time"));
  EXPECT_EQ(handle.write(shown(2, "x"), now()), Written::failed);
  EXPECT_TRUE(recorder_->can_start()) << "the disk is well";
}

// A target answers twenty requests in an order of its own.
TEST_F(RecorderTest, ChannelsBeginInAnyOrderAndEachOnce) {
  start();
  Handle handle = open("s-1");
  for (const std::uint32_t channel : {3u, 1u, 20'000u, 19'999u, 4'000u})
    ASSERT_NE(handle.write(CommandBegan{channel, "exec", "id"}, now()), Written::failed);
  ASSERT_TRUE(eventually([&] { return handle.outstanding() == 0; }));
  EXPECT_THAT(notices_.all(), testing::Each(testing::Field(&Notice::what, Notice::What::low)));
  handle.write(ChannelEnded{4'000, 0, 0}, now());
  handle.write(CommandBegan{4'000, "exec", "id"}, now());
  ASSERT_TRUE(notices_.wait(Notice::What::failed));
  EXPECT_THAT(notices_.all().back().why, HasSubstr("a second time"));
}

TEST_F(RecorderTest, AChannelThatBeginsAfterAllTooManyOthersIsRefused) {
  start();
  Handle handle = open("s-1");
  handle.write(CommandBegan{20'000, "exec", "id"}, now());
  handle.write(CommandBegan{2, "exec", "id"}, now());
  ASSERT_TRUE(notices_.wait(Notice::What::failed));
  EXPECT_THAT(notices_.all().back().why, HasSubstr("a second time"));
}

TEST_F(RecorderTest, TheTerminalsOfOneSessionAreBounded) {
  // In memory where that can be: thousands of files that are each flushed take a disk its time.
  std::string memory = "/dev/shm/envgate-test-XXXXXX";
  if (::mkdtemp(memory.data()) != nullptr) options_.directory = memory;
  start();
  Handle handle = open("s-1");
  for (std::uint32_t i = 1; i <= kMostTerminals; ++i) {
    ASSERT_NE(handle.write(TerminalBegan{i, 80, 24, "", ""}, now()), Written::failed);
    ASSERT_NE(handle.write(ChannelEnded{i, 0, 0}, now()), Written::failed);
  }
  ASSERT_TRUE(eventually([&] { return handle.outstanding() == 0; }));
  EXPECT_THAT(notices_.all(), testing::Each(testing::Field(&Notice::what, Notice::What::low)));
  handle.write(TerminalBegan{kMostTerminals + 1, 80, 24, "", ""}, now());
  EXPECT_TRUE(notices_.wait(Notice::What::failed));
  handle.close("");
  recorder_.reset();
  std::filesystem::remove_all(options_.directory);
}

TEST_F(RecorderTest, AnIdIsUsedOnce) {
  start();
  Handle first = open("s-1"), second = open("s-1");
  ASSERT_TRUE(notices_.wait(Notice::What::failed));
  second.close("");
  first.write(TerminalBegan{1, 80, 24, "", ""}, now());
  first.close("done");
  ASSERT_TRUE(closed("s-1"));
  EXPECT_EQ(entry("s-1").reason, "done");
}

TEST_F(RecorderTest, WhatIsNoIdIsNotRecorded) {
  start();
  Handle handle = open("../x-1");
  ASSERT_TRUE(notices_.wait(Notice::What::failed));
  EXPECT_TRUE(closed("../x-1"));
  EXPECT_FALSE(std::filesystem::exists(dir_.path("x-1.json")));
}

TEST_F(RecorderTest, AFolderBelongsToOneGateway) {
  start();
  const auto second = Recorder::start(options_);
  ASSERT_FALSE(second);
  EXPECT_THAT(second.error().message, HasSubstr("another gateway records into"));
  recorder_.reset();
  EXPECT_TRUE(Recorder::start(options_));
}

TEST_F(RecorderTest, AHandleThatIsDroppedEndsItsRecord) {
  start();
  { const Handle handle = open("s-1"); }
  ASSERT_TRUE(closed("s-1"));
  EXPECT_EQ(entry("s-1").reason, "abandoned");
}

}  // namespace
}  // namespace envgate::ssh::recorder::test
