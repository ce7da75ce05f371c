// The two streams of the engine: the report of a pull, and what a program wrote.
#include <gtest/gtest.h>

#include "backends/docker/exec_frames.hpp"
#include "backends/docker/pull_stream.hpp"

namespace envgate::backends::docker {
namespace {

using std::chrono::milliseconds;

constexpr char kReport[] =
    "{\"status\":\"Pulling from app\",\"id\":\"1\"}\r\n"
    "{\"status\":\"Pulling fs layer\",\"progressDetail\":{},\"id\":\"aa\"}\r\n"
    "{\"status\":\"Pulling fs layer\",\"progressDetail\":{},\"id\":\"bb\"}\r\n"
    "{\"status\":\"Downloading\",\"progressDetail\":{\"current\":40,\"total\":100},\"id\":\"aa\"}\r\n"
    "{\"status\":\"Downloading\",\"progressDetail\":{\"current\":10,\"total\":50},\"id\":\"bb\"}\r\n"
    "{\"status\":\"Extracting\",\"progressDetail\":{\"current\":1,\"total\":100},\"id\":\"aa\"}\r\n"
    "{\"status\":\"Pull complete\",\"progressDetail\":{},\"id\":\"aa\"}\r\n";

struct Told {
  std::vector<Progress> all;
  std::chrono::steady_clock::time_point now{std::chrono::hours(1)};
  milliseconds step{1000};
  PullStream stream{[this](const Progress& p) { all.push_back(p); }, [this] { return now += step; }};
};

TEST(PullStream, AddsUpTheLayers) {
  Told told;
  EXPECT_TRUE(told.stream.feed(kReport));
  EXPECT_EQ(told.stream.error(), "");
  ASSERT_EQ(told.all.size(), 6u);
  EXPECT_EQ(told.all[3].done, 50u);
  EXPECT_EQ(told.all[3].total, 150u);
  EXPECT_EQ(told.all[3].detail, "0 of 2 layers");
  EXPECT_EQ(told.all[5].done, 110u);
  EXPECT_EQ(told.all[5].detail, "1 of 2 layers");
}

TEST(PullStream, CutAnywhereItIsTheSame) {
  const std::string report = kReport;
  for (std::size_t cut = 0; cut <= report.size(); ++cut) {
    Told told;
    EXPECT_TRUE(told.stream.feed(report.substr(0, cut)) && told.stream.feed(report.substr(cut)));
    ASSERT_EQ(told.all.size(), 6u) << cut;
    EXPECT_EQ(told.all.back().done, 110u) << cut;
  }
}

TEST(PullStream, TellsTenTimesASecondAtMost) {
  Told told;
  told.step = milliseconds(30);
  EXPECT_TRUE(told.stream.feed(kReport));
  EXPECT_EQ(told.all.size(), 2u);  // the 1st and, 120 ms later, the 5th
}

TEST(PullStream, KeepsTheError) {
  Told told;
  EXPECT_TRUE(told.stream.feed("{\"errorDetail\":{\"message\":\"no space\\u0007left\"},\"error\":\"x\"}\n"));
  EXPECT_EQ(told.stream.error(), "no space left");
  Told old;
  EXPECT_TRUE(old.stream.feed("{\"error\":\"x\"}\n"));
  EXPECT_EQ(old.stream.error(), "x");
}

TEST(PullStream, HostileReports) {
  for (const std::string& bad :
       {std::string("nonsense\n"), std::string("[1]\n"), std::string(PullStream::kMaxLine + 1, '{'),
        std::string(200, '[') + std::string(200, ']') + "\n"}) {
    Told told;
    EXPECT_FALSE(told.stream.feed(bad)) << bad.substr(0, 20);
    EXPECT_NE(told.stream.error(), "");
  }
  Told many;
  for (std::size_t i = 0; i < 2 * PullStream::kMaxLayers; ++i) {
    EXPECT_TRUE(many.stream.feed("{\"status\":\"Downloading\",\"id\":\"" + std::to_string(i) +
                                 "\",\"progressDetail\":{\"current\":-1,\"total\":1e99}}\n"));
  }
  EXPECT_EQ(many.all.back().detail, "0 of " + std::to_string(PullStream::kMaxLayers) + " layers");
  EXPECT_EQ(many.all.back().total, 0u);
}

std::string frame(char kind, const std::string& text) {
  std::string out(8, '\0');
  out[0] = kind;
  out[6] = static_cast<char>(text.size() >> 8);
  out[7] = static_cast<char>(text.size());
  return out + text;
}

TEST(ExecFrames, TakesTheStreamsApart) {
  const auto output =
      parse_exec_frames(frame(1, "a") + frame(2, std::string(300, 'e')) + frame(1, "") + frame(1, "b"));
  ASSERT_TRUE(output);
  EXPECT_EQ(output->out, "ab");
  EXPECT_EQ(output->err, std::string(300, 'e'));
  EXPECT_TRUE(parse_exec_frames(""));
}

TEST(ExecFrames, BadOnes) {
  const std::string good = frame(1, "hello");
  for (std::size_t size = 1; size < good.size(); ++size)
    EXPECT_FALSE(parse_exec_frames(good.substr(0, size))) << size;
  EXPECT_FALSE(parse_exec_frames(frame(3, "x")));
  EXPECT_FALSE(parse_exec_frames(frame(-1, "x")));
  std::string huge = frame(1, "x");
  huge[4] = '\xff';
  EXPECT_FALSE(parse_exec_frames(huge));
  huge = frame(1, "x");
  huge[2] = 1;
  EXPECT_FALSE(parse_exec_frames(huge));
}

}  // namespace
}  // namespace envgate::backends::docker
