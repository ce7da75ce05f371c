#include "record/chained_file.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <csignal>
#include <random>
#include <thread>

#include "tests/unit/record/fixtures.hpp"

namespace envgate::record::test {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

int mode_of(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 ? static_cast<int>(info.st_mode & 07777) : -1;
}

class ChainedFileTest : public testing::Test {
 protected:
  ChainedFile make(const std::string& name, const BlockPolicy& policy = {}) {
    return std::move(ChainedFile::create(dir_.path(""), name, &key_, policy).value());
  }
  Verdict verdict(const std::string& name) { return verify_file(dir_.path(name), key_.public_key()).value(); }

  TempDir dir_;
  SigningKey key_ = key_of(1);
};

TEST_F(ChainedFileTest, BlocksEndBySizeByTimeAndAtTheEnd) {
  auto file = make("a.cast", {10, milliseconds(5000), Sync::block});
  ASSERT_TRUE(file.append("header\n", milliseconds(0)));
  EXPECT_EQ(verdict("a.cast").blocks, 1u) << "the header is covered at once";
  ASSERT_TRUE(file.append("12345\n", milliseconds(100)));
  EXPECT_EQ(verdict("a.cast").blocks, 1u);
  ASSERT_TRUE(file.append("6789\n", milliseconds(200)));
  EXPECT_EQ(verdict("a.cast").blocks, 2u);
  EXPECT_EQ(file.due(), std::nullopt) << "nothing waits";
  ASSERT_TRUE(file.append("x\n", milliseconds(300)));
  EXPECT_EQ(file.due(), Offset(milliseconds(5300)));
  ASSERT_TRUE(file.tick(milliseconds(5299)));
  EXPECT_EQ(verdict("a.cast").blocks, 2u);
  ASSERT_TRUE(file.tick(milliseconds(5300)));
  EXPECT_EQ(verdict("a.cast").blocks, 3u);
  ASSERT_TRUE(file.append("y\n", milliseconds(5400)));
  const Verdict before = verdict("a.cast");
  EXPECT_EQ(before.state, State::cut_off);
  EXPECT_TRUE(before.open);
  EXPECT_THAT(before.words(), StartsWith("still being written; cut off: 0 bytes"));
  ASSERT_TRUE(file.end(milliseconds(5500)));
  const Verdict after = verdict("a.cast");
  EXPECT_TRUE(after.good()) << after.words();
  EXPECT_FALSE(after.open);
  EXPECT_EQ(after.blocks, 4u);
  EXPECT_EQ(after.covered, 22u);
  EXPECT_EQ(read_file(dir_.path("a.cast")), "header\n12345\n6789\nx\ny\n");
  EXPECT_FALSE(file.append("z\n", milliseconds(5600)));
  EXPECT_EQ(read_file(dir_.path("a.cast")).size(), 22u);
}

TEST_F(ChainedFileTest, FilesAreNewPrivateAndNoLink) {
  make("a.cast");
  EXPECT_EQ(mode_of(dir_.path("a.cast")), 0600);
  EXPECT_EQ(mode_of(dir_.path("a.cast.chain")), 0600);
  EXPECT_FALSE(ChainedFile::create(dir_.path(""), "a.cast", &key_)) << "it is there";
  EXPECT_EQ(verdict("a.cast").state, State::cut_off) << "and is left as it was";

  ASSERT_EQ(::symlink("/dev/null", dir_.path("b.cast").c_str()), 0);
  const auto linked = ChainedFile::create(dir_.path(""), "b.cast", &key_);
  ASSERT_FALSE(linked);
  EXPECT_THAT(linked.error().message, HasSubstr("b.cast"));
  EXPECT_FALSE(std::filesystem::exists(dir_.path("b.cast.chain"))) << "nothing is left behind";

  for (const char* const name : {"", ".", "..", ".x", "a/b.cast", "../x.cast", "a b", "x.chain", "a\n"})
    EXPECT_FALSE(ChainedFile::create(dir_.path(""), name, &key_)) << name;
  const auto nowhere = ChainedFile::create(dir_.path("none"), "a.cast", &key_);
  ASSERT_FALSE(nowhere);
  EXPECT_EQ(nowhere.error().code, ENOENT);
}

TEST_F(ChainedFileTest, PiecesLargerThanTheBuffer) {
  auto file = make("a.cast");
  std::string expected = "header\n";
  ASSERT_TRUE(file.append(expected, milliseconds(0)));
  for (const std::size_t size : {1u, 16'384u, 16'385u, 200'000u, 3u}) {
    const std::string piece(size, static_cast<char>('a' + size % 26));
    ASSERT_TRUE(file.append(piece, milliseconds(1)));
    expected += piece;
  }
  ASSERT_TRUE(file.end(milliseconds(2)));
  EXPECT_EQ(read_file(dir_.path("a.cast")), expected);
  EXPECT_TRUE(verdict("a.cast").good()) << verdict("a.cast").words();
}

// In a child: RLIMIT_FSIZE is the process's.
TEST_F(ChainedFileTest, AFullDiskIsAnErrorOnceAndForEver) {
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    std::signal(SIGXFSZ, SIG_IGN);
    auto file = make("a.cast", {1000, milliseconds(5000), Sync::block});
    rlimit limit{5000, RLIM_INFINITY};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    const std::string line(199, 'x');
    Result<void> last;
    int good = 0;
    for (; last && good < 100; ++good) last = file.append(line + "\n", milliseconds(good));
    if (last || last.error().code != EFBIG || good < 20) ::_exit(1);
    limit.rlim_cur = RLIM_INFINITY;  // room again: but what was lost stays lost
    ::setrlimit(RLIMIT_FSIZE, &limit);
    const auto again = file.append(line, milliseconds(1000));
    const auto end = file.end(milliseconds(1000));
    const auto tick = file.tick(milliseconds(9000));
    const bool same = !again && !end && !tick && again.error().message == last.error().message &&
                      end.error().message == last.error().message && !file.due();
    ::_exit(same ? 0 : 2);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
  const Verdict seen = verdict("a.cast");
  EXPECT_EQ(seen.state, State::cut_off) << seen.words();
  EXPECT_GT(seen.blocks, 3u);
  EXPECT_LE(seen.covered + seen.uncovered, 5000u);
}

TEST_F(ChainedFileTest, NoRoomForTheFirstLineLeavesNothing) {
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{10, RLIM_INFINITY};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    ::_exit(ChainedFile::create(dir_.path(""), "a.cast", &key_) ? 1 : 0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  EXPECT_FALSE(std::filesystem::exists(dir_.path("a.cast")));
  EXPECT_FALSE(std::filesystem::exists(dir_.path("a.cast.chain")));
}

// The child says through a pipe how far it has come; it dies at a moment of the parent's.
TEST_F(ChainedFileTest, AKillAtAnyMomentLeavesARecordThatIsCutOff) {
  std::mt19937 random(7);
  std::uint64_t blocks = 0;
  for (int round = 0; round < 60; ++round) {
    const std::string name = "k" + std::to_string(round) + ".cast";
    int pipe[2];
    ASSERT_EQ(::pipe2(pipe, O_CLOEXEC), 0);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      if (::write(pipe[1], "x", 1) != 1) ::_exit(1);
      auto file = make(name, {300, milliseconds(5000), round % 2 == 0 ? Sync::block : Sync::end});
      for (int i = 0;; ++i)
        if (!file.append("line " + std::to_string(i) + "\n", milliseconds(i))) ::_exit(1);
    }
    Fd mine(pipe[0]);
    Fd(pipe[1]).reset();
    char started = 0;
    ASSERT_EQ(::read(mine.get(), &started, 1), 1);
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 20'000));  // the moment is the test
    ASSERT_EQ(::kill(child, SIGKILL), 0);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << "it ended by itself: " << status;
    if (!std::filesystem::exists(dir_.path(name))) continue;  // before the record was there
    const Verdict seen = verdict(name);
    EXPECT_EQ(seen.state, State::cut_off) << seen.words();
    EXPECT_FALSE(seen.open) << "its lock died with it";
    EXPECT_EQ(seen.covered + seen.uncovered, std::filesystem::file_size(dir_.path(name)));
    blocks += seen.blocks;
    std::filesystem::remove(dir_.path(name));
  }
  EXPECT_GT(blocks, 100u) << "it always died too early to have written anything";
}

TEST(SigningKeyTest, IsMadeOnceWithItsPublicPartBeside) {
  const TempDir dir;
  const std::string path = dir.path("record.key");
  EXPECT_FALSE(SigningKey::open(path, false));
  const auto made = SigningKey::open(path, true);
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ(mode_of(path), 0600);
  EXPECT_EQ(read_public_key(path + ".pub").value(), made->public_key());
  const auto again = SigningKey::open(path, true);
  EXPECT_EQ(again->public_key(), made->public_key());
  EXPECT_TRUE(is_signed_by(made->public_key(), "text", again->sign("text")));
  EXPECT_FALSE(is_signed_by(made->public_key(), "texu", again->sign("text")));
  std::filesystem::remove(path + ".pub");
  ASSERT_TRUE(SigningKey::open(path, false));
  EXPECT_EQ(read_public_key(path + ".pub").value(), made->public_key()) << "written again";
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(dir.path(""))) files += entry.exists();
  EXPECT_EQ(files, 2u) << "no draft is left";
}

TEST(SigningKeyTest, WhatIsNoPrivateKeyIsRefused) {
  const TempDir dir;
  const std::string path = dir.write("record.key", std::string(64, 'a') + "\n");
  ::chmod(path.c_str(), 0644);
  const auto readable = SigningKey::open(path, true);
  ASSERT_FALSE(readable);
  EXPECT_THAT(readable.error().message, HasSubstr("chmod 600"));
  ::chmod(path.c_str(), 0600);
  EXPECT_TRUE(SigningKey::open(path, true));
  for (const std::string& text :
       {std::string(63, 'a'), std::string(65, 'a'), std::string(64, 'g'), std::string()}) {
    dir.write("record.key", text);
    EXPECT_FALSE(SigningKey::open(path, true)) << text;
    EXPECT_FALSE(read_public_key(path)) << text;
  }
  EXPECT_FALSE(SigningKey::open(dir.path(""), true)) << "a folder";
}

}  // namespace
}  // namespace envgate::record::test
