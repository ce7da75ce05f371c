#include "base/json_line.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace envgate {
namespace {

using namespace std::chrono_literals;

std::string json_quoted(std::string_view value) {
  std::string out;
  append_json_string(out, value);
  return out;
}

TEST(JsonString, EscapesWhatJsonCannotHold) {
  EXPECT_EQ(json_quoted("plain"), "\"plain\"");
  EXPECT_EQ(json_quoted(""), "\"\"");
  EXPECT_EQ(json_quoted("a\"b\\c"), R"("a\"b\\c")");
  EXPECT_EQ(json_quoted("\n\r\t"), R"("\n\r\t")");
  EXPECT_EQ(json_quoted(std::string_view("\0\x1f\x7f", 3)), R"("\u0000\u001f\u007f")");
}

TEST(JsonLine, AViewOfNothingIsAnEmptyText) {
  std::string out;
  JsonLine line(out);
  line.text("none", std::string_view());  // a null pointer: undefined for memcpy, which a sanitizer tells
  line.end();
  EXPECT_EQ(out, R"({"none":""})");
}

TEST(JsonString, KeepsUtf8) {
  for (const char* text : {"é", "网关", "\xf0\x9f\x90\xa7", "\xed\x9f\xbf", "\xf4\x8f\xbf\xbf"})
    EXPECT_EQ(json_quoted(text), "\"" + std::string(text) + "\"");
}

TEST(JsonString, ReplacesWhatIsNotUtf8) {
  EXPECT_EQ(json_quoted("\xff"), R"("\ufffd")");
  EXPECT_EQ(json_quoted("a\x80z"), R"("a\ufffdz")");
  EXPECT_EQ(json_quoted("\xc3"), R"("\ufffd")");                                // cut short
  EXPECT_EQ(json_quoted("\xc0\xaf"), R"("\ufffd\ufffd")");                      // overlong '/'
  EXPECT_EQ(json_quoted("\xe0\x80\xaf"), R"("\ufffd\ufffd\ufffd")");            // overlong
  EXPECT_EQ(json_quoted("\xed\xa0\x80"), R"("\ufffd\ufffd\ufffd")");            // a surrogate
  EXPECT_EQ(json_quoted("\xf4\x90\x80\x80"), R"("\ufffd\ufffd\ufffd\ufffd")");  // above U+10FFFF
  EXPECT_EQ(json_quoted("\xe7\xbd\"x"), R"("\ufffd\ufffd\"x")");                // the quote is not swallowed
}

// A byte that needs an escape is found wherever in a word it stands, and whatever stands before it.
TEST(JsonString, FindsEveryByteAtEveryPlace) {
  for (int byte = 0; byte < 0x80; ++byte)
    for (std::size_t at = 0; at < 20; ++at)
      for (const char around : {' ', '!', '#', '[', ']', '~'}) {
        const char c = static_cast<char>(byte);
        const std::string left(at, around), right(19 - at, around);
        const std::string_view own = std::string_view(&c, 1);
        const std::string alone = json_quoted(own);
        const std::string expected = '"' + left + alone.substr(1, alone.size() - 2) + right + '"';
        const std::string text = left + c + right;
        ASSERT_EQ(json_quoted(text), expected) << byte << " at " << at;
        std::string line;
        JsonLine(line).text("k", text);
        ASSERT_EQ(line, "{\"k\":" + expected);
        const bool plain = byte >= 0x20 && byte < 0x7f && byte != '"' && byte != '\\';
        ASSERT_EQ(alone.size() == 3, plain) << byte;
      }
}

TEST(JsonLine, BuildsOneObject) {
  std::string out = "before ";
  JsonLine line(out);
  line.text("event", "ssh_login").number("port", 56376).boolean("ok", true).seconds("seconds", 250ms).end();
  EXPECT_EQ(out, R"(before {"event":"ssh_login","port":56376,"ok":true,"seconds":0.250000})");
}

TEST(JsonLine, AnEmptyObjectAndExtremes) {
  std::string out;
  JsonLine(out).end();
  EXPECT_EQ(out, "{}");
  out.clear();
  JsonLine line(out);
  line.number("least", std::numeric_limits<std::int64_t>::min())
      .seconds("small", 1500ns)
      .seconds("large", 400h)
      .seconds("past", -1s)
      .boolean("no", false)
      .end();
  EXPECT_EQ(out,
            R"({"least":-9223372036854775808,"small":0.000001,)"
            R"("large":1440000.000000,"past":0.000000,"no":false})");
}

}  // namespace
}  // namespace envgate
