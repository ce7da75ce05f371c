#include "control/cli/table.hpp"

#include <gtest/gtest.h>

namespace envgate::cli {
namespace {

TEST(Table, AlignsColumnsAndLeavesNoSpaceAtLineEnds) {
  Table table({{"NAME"}, {"SIZE", Table::Align::right}, {"STATE"}});
  table.add({"a", "5", "running"});
  table.add({"longer", "1234567", ""});
  EXPECT_EQ(table.to_text(),
            "NAME       SIZE  STATE\n"
            "a             5  running\n"
            "longer  1234567  -\n");
}

TEST(Table, WithoutRowsIsItsTitles) { EXPECT_EQ(Table({{"A"}, {"B"}}).to_text(), "A  B\n"); }

TEST(Table, CountsCharactersNotBytes) {
  Table table({{"NAME"}, {"X"}});
  table.add({"h\xc3\xa9llo", "1"});
  table.add({"hello", "2"});
  EXPECT_EQ(table.to_text(), "NAME   X\nh\xc3\xa9llo  1\nhello  2\n");
}

TEST(Table, MakesWhatCouldMoveACursorHarmless) {
  EXPECT_EQ(printable("a\x1b[31mb\n\t\x7f"), "a?[31mb???");
  EXPECT_EQ(printable("\xc2\x9b"
                      "31m"),
            "??31m")
      << "C1's CSI";
  EXPECT_EQ(printable("\xff\xe2\x82"), "???");
  EXPECT_EQ(printable("\xe7\x8e\xaf \xf0\x9f\x9a\x80"), "\xe7\x8e\xaf \xf0\x9f\x9a\x80");
  EXPECT_EQ(printable(std::string_view("a\0b", 3)), "a?b");
}

TEST(Human, Bytes) {
  EXPECT_EQ(human_bytes(0), "0 B");
  EXPECT_EQ(human_bytes(1023), "1023 B");
  EXPECT_EQ(human_bytes(1024), "1.0 KiB");
  EXPECT_EQ(human_bytes(1536), "1.5 KiB");
  EXPECT_EQ(human_bytes(1024 * 1024 - 1), "1.0 MiB");
  EXPECT_EQ(human_bytes(10ull << 30), "10 GiB");
  EXPECT_EQ(human_bytes(~0ull), "16 EiB");
}

TEST(Human, Seconds) {
  EXPECT_EQ(human_seconds(0), "0.0 ms");
  EXPECT_EQ(human_seconds(0.0123), "12.3 ms");
  EXPECT_EQ(human_seconds(0.25), "250 ms");
  EXPECT_EQ(human_seconds(1.25), "1.2 s");
  EXPECT_EQ(human_seconds(59.4), "59 s");
  EXPECT_EQ(human_seconds(59.6), "1 min");
  EXPECT_EQ(human_seconds(185), "3 min 5 s");
  EXPECT_EQ(human_seconds(3 * 3600 + 5 * 60 + 59), "3 h 5 min");
  EXPECT_EQ(human_seconds(86400 * 12 + 3600 * 4), "12 d 4 h");
  EXPECT_EQ(human_seconds(-60), "-1 min");
}

TEST(Human, Count) {
  EXPECT_EQ(human_count(0), "0");
  EXPECT_EQ(human_count(999), "999");
  EXPECT_EQ(human_count(1000), "1,000");
  EXPECT_EQ(human_count(1234567), "1,234,567");
}

}  // namespace
}  // namespace envgate::cli
