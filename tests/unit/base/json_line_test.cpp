#include "base/json_line.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace envgate {
namespace {

std::string quoted(std::string_view value) {
  std::string out;
  append_json_string(out, value);
  return out;
}

TEST(JsonString, EscapesWhatJsonCannotHold) {
  EXPECT_EQ(quoted("plain"), "\"plain\"");
  EXPECT_EQ(quoted(""), "\"\"");
  EXPECT_EQ(quoted("a\"b\\c"), R"("a\"b\\c")");
  EXPECT_EQ(quoted("\n\r\t"), R"("\n\r\t")");
  EXPECT_EQ(quoted(std::string_view("\0\x1f\x7f", 3)), R"("\u0000\u001f\u007f")");
}

TEST(JsonString, KeepsUtf8) {
  for (const char* text : {"é", "网关", "\xf0\x9f\x90\xa7", "\xed\x9f\xbf", "\xf4\x8f\xbf\xbf"})
    EXPECT_EQ(quoted(text), "\"" + std::string(text) + "\"");
}

TEST(JsonString, ReplacesWhatIsNotUtf8) {
  EXPECT_EQ(quoted("\xff"), R"("\ufffd")");
  EXPECT_EQ(quoted("a\x80z"), R"("a\ufffdz")");
  EXPECT_EQ(quoted("\xc3"), R"("\ufffd")");                                // cut short
  EXPECT_EQ(quoted("\xc0\xaf"), R"("\ufffd\ufffd")");                      // overlong '/'
  EXPECT_EQ(quoted("\xe0\x80\xaf"), R"("\ufffd\ufffd\ufffd")");            // overlong
  EXPECT_EQ(quoted("\xed\xa0\x80"), R"("\ufffd\ufffd\ufffd")");            // a surrogate
  EXPECT_EQ(quoted("\xf4\x90\x80\x80"), R"("\ufffd\ufffd\ufffd\ufffd")");  // above U+10FFFF
  EXPECT_EQ(quoted("\xe7\xbd\"x"), R"("\ufffd\ufffd\"x")");                // the quote is not swallowed
}

TEST(JsonLine, BuildsOneObject) {
  std::string out = "before ";
  JsonLine line(out);
  line.text("event", "ssh_login").number("port", 56376).boolean("ok", true).real("seconds", 0.25).end();
  EXPECT_EQ(out, R"(before {"event":"ssh_login","port":56376,"ok":true,"seconds":0.25})");
}

TEST(JsonLine, AnEmptyObjectAndExtremes) {
  std::string out;
  JsonLine(out).end();
  EXPECT_EQ(out, "{}");
  out.clear();
  JsonLine line(out);
  line.number("least", std::numeric_limits<std::int64_t>::min())
      .real("small", 1.0 / 3)
      .boolean("no", false)
      .end();
  EXPECT_EQ(out, R"({"least":-9223372036854775808,"small":0.333333,"no":false})");
}

}  // namespace
}  // namespace envgate
