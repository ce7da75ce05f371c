#include "base/log.hpp"

#include <gmock/gmock.h>

#include <regex>
#include <thread>

#include "tests/unit/temp_dir.hpp"

namespace envgate::log {
namespace {

using testing::HasSubstr;
using testing::Not;

// The log is the process's: each test gives it a file, and the end gives it back.
class Log : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(open(dir_.path("log")));
    set_level(Level::info);
  }
  void TearDown() override {
    set_level(Level::info);
    ASSERT_TRUE(open("-"));
  }
  std::string written() {
    flush();
    return test::read_file(dir_.path("log"));
  }
  test::TempDir dir_;
};

TEST_F(Log, ALineHasTheSeedsFields) {
  warn("ssh_login")
      .environment("6hiflzwte2xnkroq")
      .text("source_ip", "1.2.3.4")
      .number("port", 22)
      .boolean("ok", false);
  const std::regex form(
      R"(\{"timestamp":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z","level":"warn","event":"ssh_login",)"
      R"("environment_id":"6hiflzwte2xnkroq","source_ip":"1\.2\.3\.4","port":22,"ok":false\}\n)");
  EXPECT_TRUE(std::regex_match(written(), form)) << written();
}

TEST_F(Log, ALevelBelowIsNotWritten) {
  debug("hidden");
  EXPECT_EQ(written(), "");
  EXPECT_FALSE(enabled(Level::debug));
  set_level(Level::debug);
  debug("shown");
  EXPECT_THAT(written(), HasSubstr("\"event\":\"shown\""));
  set_level(Level::error);
  warn("hidden_too");
  error("loud").error(Error{"it broke", 0}).seconds("seconds", std::chrono::milliseconds(1500));
  EXPECT_THAT(written(), Not(HasSubstr("hidden")));
  EXPECT_THAT(written(), HasSubstr("\"error\":\"it broke\",\"seconds\":1.500000"));
}

TEST_F(Log, APeersBytesCannotForgeALine) {
  info("request").text("host", "x\"}\n{\"event\":\"forged");
  const std::string text = written();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1);
  EXPECT_THAT(text, HasSubstr(R"("host":"x\"}\n{\"event\":\"forged"})"));
}

TEST_F(Log, ReopenFollowsARenamedFile) {
  info("first");
  flush();
  std::filesystem::rename(dir_.path("log"), dir_.path("log.1"));
  info("second");
  EXPECT_THAT(test::read_file(dir_.path("log.1")), HasSubstr("second"));
  ASSERT_TRUE(reopen());
  info("third");
  EXPECT_THAT(written(), HasSubstr("third"));
  EXPECT_THAT(test::read_file(dir_.path("log.1")), Not(HasSubstr("third")));
}

TEST_F(Log, AFileThatCannotBeOpenedLeavesTheOldOne) {
  const auto opened = open(dir_.path("log/below-a-file"));
  ASSERT_FALSE(opened);
  EXPECT_THAT(opened.error().message, HasSubstr("log/below-a-file"));
  info("still_here");
  EXPECT_THAT(written(), HasSubstr("still_here"));
}

TEST_F(Log, ThreadsDoNotMixTheirLines) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([] {
      for (int n = 0; n < 200; ++n) info("tick").text("filler", std::string(100, 'x'));
    });
  for (auto& thread : threads) thread.join();
  std::istringstream lines(written());
  int count = 0;
  for (std::string line; std::getline(lines, line); ++count)
    ASSERT_TRUE(line.starts_with("{\"timestamp\":") && line.ends_with("\"}")) << line;
  EXPECT_EQ(count, 800);
}

TEST_F(Log, WriteLinesKeepsABatchAsItIs) {
  write_lines("{\"a\":1}\n{\"b\":2}\n");
  write_lines("");
  EXPECT_EQ(written(), "{\"a\":1}\n{\"b\":2}\n");
}

TEST(LogLevel, IsReadByName) {
  EXPECT_EQ(parse_level("warn").value(), Level::warn);
  EXPECT_EQ(parse_level("debug").value(), Level::debug);
  EXPECT_FALSE(parse_level("WARN"));
  EXPECT_FALSE(parse_level(""));
}

}  // namespace
}  // namespace envgate::log
