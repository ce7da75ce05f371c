// A disk that is full, a process that is killed, records that are too old or too many.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "gateway/ssh/recorder/prune.hpp"
#include "tests/unit/gateway/ssh/recorder/fixtures.hpp"

namespace envgate::ssh::recorder::test {
namespace {

using monitor::TerminalBegan;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using Clock = std::chrono::system_clock;

// Runs in a child, since mounts and limits are a process's. Its exit status: 0, or which of its steps failed.
template <typename Body>
int in_child(const Body& body) {
  const pid_t pid = ::fork();
  if (pid == 0) ::_exit(body());
  int status = 0;
  ::waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

constexpr int kMayNot = 77;

class FailureTest : public RecorderTest {
 protected:
  // Writes until the owner is told that the record has failed. False: it was not.
  bool fill(Handle& handle) {
    handle.write(TerminalBegan{1, 80, 24, "", ""}, now());
    const std::string piece(monitor::kRecordPieceMax, 'x');
    return eventually([&] {
      if (handle.outstanding() < kHandleHigh) handle.write(shown(1, piece), now());
      for (const Notice& notice : notices_.all())
        if (notice.what == Notice::What::failed) return true;
      return false;
    });
  }

  // On a tmpfs of half a megabyte, in a mount namespace of the child's own.
  int on_full_disk(const std::function<int()>& body) {
    std::filesystem::create_directory(options_.directory);
    return in_child([&] {
      if (::unshare(CLONE_NEWNS) != 0) return kMayNot;
      if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return kMayNot;
      if (::mount("none", options_.directory.c_str(), "tmpfs", 0, "size=512k") != 0) return kMayNot;
      start();
      return recorder_ ? body() : 1;
    });
  }
};

TEST_F(FailureTest, AFullDiskEndsSessionsUntilThereIsRoomAgain) {
  const int status = on_full_disk([&] {
    if (!recorder_->can_start()) return 2;
    Handle handle = open("s-1");
    if (!fill(handle)) return 3;
    if (handle.write(shown(1, "more"), now()) != Written::failed) return 4;
    const auto refused = recorder_->can_start();
    if (refused || refused.error().message.find("No space left") == std::string::npos) return 5;
    handle.close("not recorded");
    // What is there is whole as far as it goes, and makes room.
    const auto verdict = record::verify_file(path("s-1-1.cast"), recorder_->public_key());
    if (!verdict || verdict->state != record::State::cut_off) return 6;
    std::filesystem::remove(path("s-1-1.cast"));
    if (!eventually([&] { return recorder_->can_start().has_value(); })) return 7;
    // The entry that could not be written is, too.
    if (!eventually([&] {
          const auto read = read_entry(options_.directory, "s-1");
          return read && read->ended && read->incomplete.find("No space left") != std::string::npos;
        }))
      return 8;
    Handle second = open("s-2");
    second.write(TerminalBegan{1, 80, 24, "", ""}, now());
    second.close("done");
    return closed("s-2") && good("s-2-1.cast") ? 0 : 9;
  });
  if (status == kMayNot) GTEST_SKIP() << "this account may not mount a tmpfs";
  EXPECT_EQ(status, 0);
}

TEST_F(FailureTest, AFullDiskDoesNotEndSessionsThatMayGoOn) {
  options_.on_failure = gateway::OnRecordFailure::go_on;
  const int status = on_full_disk([&] {
    Handle handle = open("s-1");
    handle.write(TerminalBegan{1, 80, 24, "", ""}, now());
    const std::string piece(monitor::kRecordPieceMax, 'x');
    for (int i = 0; i < 64; ++i) {
      if (!eventually([&] { return handle.outstanding() < kHandleHigh; })) return 2;
      if (handle.write(shown(1, piece), now()) == Written::failed) return 3;
    }
    if (!eventually([&] { return handle.outstanding() == 0; })) return 4;
    if (!recorder_->can_start()) return 5;
    handle.close("logged out");
    std::filesystem::remove(path("s-1-1.cast"));
    const bool told = eventually([&] {
      const auto read = read_entry(options_.directory, "s-1");
      return read && read->ended && !read->incomplete.empty();
    });
    if (!told || entry("s-1").reason != "logged out") return 6;
    for (const Notice& notice : notices_.all())
      if (notice.what == Notice::What::failed) return 7;
    return 0;
  });
  if (status == kMayNot) GTEST_SKIP() << "this account may not mount a tmpfs";
  EXPECT_EQ(status, 0);
}

TEST_F(FailureTest, AFileThatMayNotGrowEndsItsSession) {
  const int status = in_child([&] {
    rlimit limit{100'000, 100'000};
    if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) return kMayNot;
    start();
    if (!recorder_) return 1;
    Handle handle = open("s-1");
    if (!fill(handle)) return 2;
    handle.close("not recorded");
    if (!closed("s-1")) return 3;
    const IndexEntry index = entry("s-1");
    return index.incomplete.find("File too large") != std::string::npos ? 0 : 4;
  });
  EXPECT_EQ(status, 0);
}

TEST_F(FailureTest, TooLittleRoomRefusesSessions) {
  options_.min_free = Bytes{std::uint64_t{1} << 60};
  start();
  const auto refused = recorder_->can_start();
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("audit.records.min_free"));
  options_.on_failure = gateway::OnRecordFailure::go_on;
  recorder_->set(options_);
  EXPECT_TRUE(recorder_->can_start());
  options_.on_failure = gateway::OnRecordFailure::stop;
  options_.min_free = Bytes{1};
  recorder_->set(options_);
  EXPECT_TRUE(eventually([&] { return recorder_->can_start().has_value(); }));
}

TEST_F(FailureTest, KilledInTheMiddleItIsCutOffAndWholeBefore) {
  int pipe[2];
  ASSERT_EQ(::pipe2(pipe, O_CLOEXEC), 0);
  const pid_t pid = ::fork();
  if (pid == 0) {
    start();
    if (!recorder_) ::_exit(1);
    Handle handle = open("s-1");
    handle.write(TerminalBegan{1, 80, 24, "", ""}, now());
    handle.write(monitor::CommandBegan{2, "exec", "tar"}, now());
    const std::string piece(monitor::kRecordPieceMax, 'x');
    for (bool told = false;;) {
      if (handle.outstanding() < kHandleHigh) handle.write(shown(1, piece), now());
      if (!told && std::filesystem::exists(path("s-1-1.cast")) &&
          std::filesystem::file_size(path("s-1-1.cast")) > 300'000)
        told = ::write(pipe[1], "x", 1) == 1;
    }
  }
  char byte = 0;
  ASSERT_EQ(::read(pipe[0], &byte, 1), 1);
  ::kill(pid, SIGKILL);
  int status = 0;
  ASSERT_EQ(::waitpid(pid, &status, 0), pid);
  ::close(pipe[0]);
  ::close(pipe[1]);

  ASSERT_FALSE(entry("s-1").ended);
  start();
  ASSERT_TRUE(eventually([&] { return entry("s-1").ended.has_value(); }));
  const IndexEntry index = entry("s-1");
  EXPECT_EQ(index.reason, "cut off");
  EXPECT_THAT(index.files, ElementsAre("s-1-1.cast", "s-1.jsonl"));
  EXPECT_GE(index.ended, index.facts.started_at - seconds(2));
  for (const std::string& name : index.files) {
    const auto verdict = record::verify_file(path(name), recorder_->public_key());
    ASSERT_TRUE(verdict);
    EXPECT_EQ(verdict->state, record::State::cut_off) << verdict->words();
    EXPECT_EQ(verdict->signer, record::Signer::known);
  }
  EXPECT_GT(record::verify_file(path("s-1-1.cast"), {})->covered, 200'000u);
}

class PruneTest : public RecorderTest {
 protected:
  void make(const std::string& id, seconds age) {
    if (!recorder_) start();
    Handle handle = open(id);
    handle.write(TerminalBegan{1, 80, 24, "", ""}, now());
    handle.write(shown(1, std::string(20'000, 'x')), now());
    handle.close("done");
    ASSERT_TRUE(closed(id));
    for (const char* const suffix : {"-1.cast", "-1.cast.chain", ".json"})
      std::filesystem::last_write_time(path(id + suffix),
                                       std::filesystem::file_time_type::clock::now() - age);
  }
  std::vector<std::string> files() {
    std::vector<std::string> out;
    for (const auto& one : std::filesystem::directory_iterator(options_.directory))
      if (const std::string name = one.path().filename(); name[0] != '.') out.push_back(name);
    std::sort(out.begin(), out.end());
    return out;
  }
};

TEST_F(PruneTest, ByAgeWithTheEntry) {
  make("a-1", seconds(100));
  make("b-1", seconds(10));
  record::RetentionPolicy policy;
  policy.most_age = seconds(50);
  EXPECT_EQ(prune(
                options_.directory, policy, [](const std::string&) { return false; }, Clock::now())
                .value(),
            2u);
  EXPECT_THAT(files(), ElementsAre("b-1-1.cast", "b-1-1.cast.chain", "b-1.json"));
}

TEST_F(PruneTest, BySizeTheOldestFirstAndNothingThatIsOpen) {
  make("a-1", seconds(300));
  make("b-1", seconds(200));
  make("c-1", seconds(100));
  record::RetentionPolicy policy;
  policy.most_bytes = 30'000;
  const auto a_is_open = [](const std::string& id) { return id == "a-1"; };
  ASSERT_TRUE(prune(options_.directory, policy, a_is_open, Clock::now()));
  EXPECT_THAT(files(), ElementsAre("a-1-1.cast", "a-1-1.cast.chain", "a-1.json"));
}

TEST_F(PruneTest, TheRecorderDoesItAtItsStart) {
  make("a-1", seconds(7200));
  recorder_.reset();
  options_.max_age = std::chrono::hours(1);
  start();
  EXPECT_TRUE(eventually([&] { return files().empty(); }));
}

}  // namespace
}  // namespace envgate::ssh::recorder::test
