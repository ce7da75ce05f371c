#include <gmock/gmock.h>

#include <nlohmann/json.hpp>
#include <random>
#include <sstream>

#include "base/utf8.hpp"
#include "record/activity_log.hpp"
#include "record/cast_reader.hpp"
#include "record/cast_writer.hpp"
#include "tests/unit/record/fixtures.hpp"

namespace envgate::record::test {
namespace {

using Json = nlohmann::json;
using testing::ElementsAre;
using testing::IsEmpty;

std::vector<Json> json_lines(const std::string& text) {
  std::vector<Json> out;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) out.push_back(Json::parse(line));
  return out;
}

class CastTest : public testing::Test {
 protected:
  CastWriter make(const CastOptions& options = {}) {
    return std::move(CastWriter::create(dir_.path(""), "a", some_facts(), &key_, options).value());
  }
  std::string text() { return read_file(dir_.path("a.cast")); }
  // Without the header, each as "code:data".
  std::vector<std::string> events(CastWriter& cast) {
    EXPECT_TRUE(cast.end(milliseconds(9000)));
    std::vector<std::string> out;
    for (const Json& line : json_lines(text()))
      if (line.is_array()) out.push_back(line[1].get<std::string>() + ":" + line[2].get<std::string>());
    EXPECT_TRUE(verify_file(dir_.path("a.cast"), key_.public_key())->good());
    return out;
  }

  TempDir dir_;
  SigningKey key_ = key_of(1);
};

TEST_F(CastTest, TheWholeFileByteForByte) {
  CastOptions options;
  options.columns = 100;
  options.rows = 30;
  options.term = "xterm";
  options.title = "a \"title\"";
  auto cast = make(options);
  ASSERT_TRUE(cast.output("hi\r\n", milliseconds(1500)));
  ASSERT_TRUE(cast.input("password", milliseconds(1600)));
  ASSERT_TRUE(cast.resize(120, 40, milliseconds(2000)));
  ASSERT_TRUE(cast.marker("here", std::chrono::microseconds(2'000'042)));
  ASSERT_TRUE(cast.exit(3, milliseconds(2500)));
  ASSERT_TRUE(cast.end(milliseconds(2600)));
  EXPECT_EQ(text(),
            R"({"version":2,"width":100,"height":30,"timestamp":1764000000,"title":"a \"title\"",)"
            R"("env":{"TERM":"xterm"},"envgate":{"version":1,"session":"s1","environment":"training",)"
            R"("user":"root","source":"192.0.2.7","owner":"ada","target":"10.0.0.4:22",)"
            R"("started_at":"2025-11-24T16:00:00.042Z"}})"
            "\n[1.500000, \"o\", \"hi\\r\\n\"]\n[2.000000, \"r\", \"120x40\"]\n[2.000042, \"m\", \"here\"]\n"
            "[2.500000, \"x\", \"3\"]\n");
}

TEST_F(CastTest, InputIsKeptWhereItIsAskedFor) {
  CastOptions options;
  options.input = true;
  auto cast = make(options);
  ASSERT_TRUE(cast.input("ls\r", milliseconds(1)));
  EXPECT_THAT(events(cast), ElementsAre("i:ls\r"));
}

TEST_F(CastTest, ASignalIsAMarkerAndAnExit) {
  auto cast = make();
  ASSERT_TRUE(cast.output("\xc3", milliseconds(1)));
  ASSERT_TRUE(cast.killed("TERM", milliseconds(2)));
  EXPECT_THAT(events(cast), ElementsAre("o:\xef\xbf\xbd", "m:killed by TERM", "x:255"));
}

TEST_F(CastTest, TimeNeverGoesBack) {
  auto cast = make();
  ASSERT_TRUE(cast.output("a", milliseconds(50)));
  ASSERT_TRUE(cast.output("b", milliseconds(40)));
  EXPECT_THAT(events(cast), ElementsAre("o:a", "o:b"));
  EXPECT_EQ(json_lines(text())[2][0], 0.05);
}

TEST_F(CastTest, Utf8ThatIsSplitStaysTogether) {
  const std::string whole = "a\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80 z";
  for (std::size_t first = 0; first <= whole.size(); ++first) {
    for (std::size_t second = first; second <= whole.size(); ++second) {
      auto cast = make();
      for (const std::string& piece :
           {whole.substr(0, first), whole.substr(first, second - first), whole.substr(second)})
        ASSERT_TRUE(cast.output(piece, milliseconds(1)));
      std::string out;
      for (const std::string& event : events(cast)) out += event.substr(2);
      EXPECT_EQ(out, whole) << first << " " << second;
      std::filesystem::remove(dir_.path("a.cast"));
      std::filesystem::remove(dir_.path("a.cast.chain"));
    }
  }
}

TEST_F(CastTest, WhatIsNoUtf8BecomesTheReplacement) {
  auto cast = make();
  ASSERT_TRUE(cast.output("a\xff", milliseconds(1)));
  ASSERT_TRUE(cast.output("b\xe2\x82", milliseconds(2)));  // waits
  ASSERT_TRUE(cast.output("c", milliseconds(3)));          // in vain
  ASSERT_TRUE(cast.output("d\xf0\x9f", milliseconds(4)));  // to the end
  EXPECT_THAT(events(cast), ElementsAre("o:a\xef\xbf\xbd", "o:b",
                                        "o:\xef\xbf\xbd\xef\xbf\xbd"
                                        "c",
                                        "o:d", "o:\xef\xbf\xbd\xef\xbf\xbd"));
}

TEST(Utf8CarryTest, CarriesOnlyWhatMayYetBecomeACharacter) {
  EXPECT_EQ(unfinished_bytes("abc"), 0u);
  EXPECT_EQ(unfinished_bytes("a\xc3"), 1u);
  EXPECT_EQ(unfinished_bytes("a\xe2\x82"), 2u);
  EXPECT_EQ(unfinished_bytes("a\xf0\x9f\x98"), 3u);
  EXPECT_EQ(unfinished_bytes("a\xf0\x9f\x98\x80"), 0u);
  EXPECT_EQ(unfinished_bytes("\xe0"), 1u);
  EXPECT_EQ(unfinished_bytes("\xe0\xa0"), 2u);
  EXPECT_EQ(unfinished_bytes("\xed\x9f"), 2u);
  EXPECT_EQ(unfinished_bytes("\xf4\x8f"), 2u);
  for (const char* const never :
       {"\xc0", "\xc1", "\xf5", "\xff", "\x80", "\xe0\x80", "\xed\xa0", "\xf0\x80", "\xf4\x90", "\xc3\xa9",
        "\xc3"
        "a"})
    EXPECT_EQ(unfinished_bytes(never), 0u) << never;
}

TEST_F(CastTest, OutputBeyondTheLimitIsOneMarker) {
  CastOptions options;
  options.most_output = 5;
  auto cast = make(options);
  ASSERT_TRUE(cast.output("abc", milliseconds(1)));
  ASSERT_TRUE(cast.output("de", milliseconds(2)));
  ASSERT_TRUE(cast.output("", milliseconds(3)));
  ASSERT_TRUE(cast.output("f", milliseconds(4)));
  ASSERT_TRUE(cast.output("g", milliseconds(5)));
  ASSERT_TRUE(cast.exit(0, milliseconds(6)));
  EXPECT_THAT(events(cast), ElementsAre("o:abc", "o:de", "m:truncated", "x:0"));
}

TEST_F(CastTest, LargeOutputIsSeveralEvents) {
  auto cast = make();
  std::string large;
  while (large.size() < 200'000) large += "\xe2\x82\xac.";
  ASSERT_TRUE(cast.output(large, milliseconds(1)));
  std::string out;
  for (const std::string& event : events(cast)) {
    EXPECT_LE(event.size(), 33u * 1024);
    EXPECT_TRUE(is_utf8(event));
    out += event.substr(2);
  }
  EXPECT_EQ(out, large);
}

TEST_F(CastTest, ReadsBackWhatWasWritten) {
  auto cast = make();
  ASSERT_TRUE(cast.output("a\x1b[0m\x7f\"\\", milliseconds(1250)));
  ASSERT_TRUE(cast.exit(0, milliseconds(2000)));
  ASSERT_TRUE(cast.end(milliseconds(2000)));
  std::istringstream in(text() + "[2.5, \"o");  // and what a crash left
  auto reader = CastReader::of(in);
  ASSERT_TRUE(reader);
  EXPECT_EQ(reader->header().columns, 80u);
  EXPECT_EQ(reader->header().rows, 24u);
  const auto first = reader->next().value();
  EXPECT_EQ(first->seconds, 1.25);
  EXPECT_EQ(first->code, 'o');
  EXPECT_EQ(first->data, "a\x1b[0m\x7f\"\\");
  EXPECT_EQ(reader->next().value()->code, 'x');
  EXPECT_EQ(reader->next().value(), std::nullopt);
}

TEST(CastReaderTest, WhatIsNoCastIsAnError) {
  for (const char* const text : {"", "x", "[]", "{}", "{\"version\":1}\n", "{\"version\":\"2\"}\n"}) {
    std::istringstream in(text);
    EXPECT_FALSE(CastReader::of(in)) << text;
  }
  for (const char* const line : {"{}", "[1]", "[1, \"o\", 3]", "[-1, \"o\", \"\"]", "[1, \"oo\", \"\"]",
                                 "[1e999, \"o\", \"\"]", "[1, \"o\", \"\xff\"]", "[1, \"o\""}) {
    std::istringstream in("{\"version\":2,\"width\":80,\"height\":24}\n" + std::string(line) + "\n");
    auto reader = CastReader::of(in);
    ASSERT_TRUE(reader);
    const auto event = reader->next();
    ASSERT_FALSE(event) << line;
    EXPECT_EQ(event.error().message, "line 2 is no event of an asciicast");
  }
}

class ActivityTest : public testing::Test {
 protected:
  ActivityLog make(std::uint64_t most = 1 << 20) {
    return std::move(ActivityLog::create(dir_.path(""), "a", some_facts(), &key_, most).value());
  }
  std::vector<Json> lines(ActivityLog& log) {
    EXPECT_TRUE(log.end(milliseconds(9000)));
    EXPECT_TRUE(verify_file(dir_.path("a.jsonl"), key_.public_key())->good());
    auto out = json_lines(read_file(dir_.path("a.jsonl")));
    EXPECT_EQ(out.front()["envgate"]["session"], "s1");
    out.erase(out.begin());
    return out;
  }
  TempDir dir_;
  SigningKey key_ = key_of(1);
};

TEST_F(ActivityTest, CommandsWithTheirOutput) {
  auto log = make(8);
  ASSERT_TRUE(log.exec(1, "exec", "cat a", milliseconds(100)));
  ASSERT_TRUE(log.output(1, Stream::stdout_, "ab\xc3", milliseconds(200)));
  ASSERT_TRUE(log.output(1, Stream::stderr_, "!", milliseconds(250)));
  ASSERT_TRUE(log.output(1, Stream::stdout_, "\xa9", milliseconds(300)));
  ASSERT_TRUE(log.output(1, Stream::stdout_, "12345678", milliseconds(400)));
  ASSERT_TRUE(log.output(1, Stream::stderr_, "lost", milliseconds(450)));
  ASSERT_TRUE(log.exit(1, 1, "", milliseconds(500)));
  ASSERT_TRUE(log.closed(1, 3, 17, milliseconds(550)));
  EXPECT_THAT(
      lines(log),
      ElementsAre(
          Json{{"time", 0.1}, {"event", "exec"}, {"channel", 1}, {"kind", "exec"}, {"command", "cat a"}},
          Json{{"time", 0.2}, {"event", "output"}, {"channel", 1}, {"stream", "stdout"}, {"data", "ab"}},
          Json{{"time", 0.25}, {"event", "output"}, {"channel", 1}, {"stream", "stderr"}, {"data", "!"}},
          Json{
              {"time", 0.3}, {"event", "output"}, {"channel", 1}, {"stream", "stdout"}, {"data", "\xc3\xa9"}},
          Json{{"time", 0.4}, {"event", "output"}, {"channel", 1}, {"stream", "stdout"}, {"data", "123"}},
          Json{{"time", 0.4}, {"event", "truncated"}, {"channel", 1}, {"stream", "stdout"}, {"limit", 8}},
          Json{{"time", 0.5},
               {"event", "exit"},
               {"channel", 1},
               {"status", 1},
               {"stdout_bytes", 12},
               {"stderr_bytes", 5}},
          Json{{"time", 0.55}, {"event", "closed"}, {"channel", 1}, {"bytes_up", 3}, {"bytes_down", 17}}));
}

TEST_F(ActivityTest, CommandsSideBySideEachHaveTheirOwnLimit) {
  auto log = make(4);
  ASSERT_TRUE(log.exec(1, "exec", "tar c .", milliseconds(100)));
  ASSERT_TRUE(log.exec(2, "subsystem", "sftp", milliseconds(100)));
  ASSERT_TRUE(log.output(1, Stream::stdout_, std::string("\xff\x00", 2), milliseconds(200)));
  ASSERT_TRUE(log.output(2, Stream::stdin_, "abcd", milliseconds(300)));
  ASSERT_TRUE(log.output(3, Stream::stdout_, "of no command", milliseconds(400)));
  ASSERT_TRUE(log.exit(1, 0, "KILL", milliseconds(500)));
  ASSERT_TRUE(log.refused("x11", "the policy says no", milliseconds(600)));
  EXPECT_FALSE(log.exec(2, "exec", "again", milliseconds(700)));
  const auto out = lines(log);
  ASSERT_EQ(out.size(), 6u);
  EXPECT_EQ(out[2]["base64"], "/wA=");
  EXPECT_EQ(
      out[3],
      (Json{{"time", 0.3}, {"event", "output"}, {"channel", 2}, {"stream", "stdin"}, {"data", "abcd"}}));
  EXPECT_EQ(out[4], (Json{{"time", 0.5},
                          {"event", "exit"},
                          {"channel", 1},
                          {"signal", "KILL"},
                          {"stdout_bytes", 2},
                          {"stderr_bytes", 0}}));
  EXPECT_EQ(out[5],
            (Json{{"time", 0.6}, {"event", "refused"}, {"what", "x11"}, {"detail", "the policy says no"}}));
}

TEST_F(ActivityTest, NoOutputIsKeptWhereNoneIsAskedFor) {
  auto log = make(0);
  ASSERT_TRUE(log.exec(1, "exec", "cat", milliseconds(100)));
  ASSERT_TRUE(log.output(1, Stream::stdout_, "secret", milliseconds(200)));
  ASSERT_TRUE(log.exit(1, 0, "", milliseconds(300)));
  const auto out = lines(log);
  ASSERT_EQ(out.size(), 2u);
  EXPECT_EQ(out[1]["stdout_bytes"], 6);
}

TEST_F(ActivityTest, CommandsAtOnceAreBounded) {
  auto log = make();
  for (Channel channel = 1; channel <= kMostCommands; ++channel)
    ASSERT_TRUE(log.exec(channel, "exec", "x", milliseconds(1)));
  EXPECT_FALSE(log.exec(kMostCommands + 1, "exec", "x", milliseconds(2)));
  ASSERT_TRUE(log.closed(1, 0, 0, milliseconds(3)));
  EXPECT_TRUE(log.exec(kMostCommands + 1, "exec", "x", milliseconds(4)));
}

TEST_F(ActivityTest, FilesAndForwards) {
  auto log = make();
  ASSERT_TRUE(log.file({2, "write", "/root/\"a\"\n", "", "upload", 12, std::string(64, 'a'), "ok"},
                       milliseconds(1000)));
  ASSERT_TRUE(log.file({2, "rename", "/a", "/b", "", 0, "", "permission denied"}, milliseconds(2000)));
  ASSERT_TRUE(log.forward({3, "direct-tcpip", "db:5432", 9, 1'000'000'000'000, milliseconds(1500)},
                          milliseconds(9000)));
  EXPECT_THAT(lines(log), ElementsAre(Json{{"time", 1.0},
                                           {"event", "file"},
                                           {"channel", 2},
                                           {"op", "write"},
                                           {"path", "/root/\"a\"\n"},
                                           {"direction", "upload"},
                                           {"bytes", 12},
                                           {"sha256", std::string(64, 'a')},
                                           {"result", "ok"}},
                                      Json{{"time", 2.0},
                                           {"event", "file"},
                                           {"channel", 2},
                                           {"op", "rename"},
                                           {"path", "/a"},
                                           {"to_path", "/b"},
                                           {"bytes", 0},
                                           {"result", "permission denied"}},
                                      Json{{"time", 9.0},
                                           {"event", "forward"},
                                           {"channel", 3},
                                           {"kind", "direct-tcpip"},
                                           {"destination", "db:5432"},
                                           {"bytes_up", 9},
                                           {"bytes_down", 1'000'000'000'000},
                                           {"duration", 1.5}}));
}

}  // namespace
}  // namespace envgate::record::test
