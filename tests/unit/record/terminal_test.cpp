#include <gmock/gmock.h>

#include "record/plain_text.hpp"
#include "record/terminal_filter.hpp"

namespace envgate::record {
namespace {

std::string filtered(std::string_view text) { return TerminalFilter().take(text); }

std::string plain(std::string_view text) {
  PlainText out;
  std::string lines = out.take(text);
  return lines + out.rest();
}

TEST(TerminalFilterTest, TextColoursAndMovesPass) {
  for (const char* const text :
       {"plain\r\n\ttext\b \a", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", "\x1b[1;31mred\x1b[0m",
        "\x1b[38:2:1:2:3m", "\x1b[2J\x1b[H", "\x1b[3;4H\x1b[K\x1b[1A\x1b[10C", "\x1b[?25l\x1b[?25h",
        "\x1b[?1049h\x1b[?1049l", "\x1b[2;20r",
        "\x1b"
        "7\x1b"
        "8\x1bM",
        "\x1b(0lqk\x1b(B", "\x1b[4h\x1b[4l", "\x1b[2 q", "\x1b[!p", "\x1b[5S\x1b[5T", "\x1b[?2026h"})
    EXPECT_EQ(filtered(text), text);
}

TEST(TerminalFilterTest, WhatDoesMoreIsLeftOut) {
  for (const char* const harmful : {"\x1b]0;title\a",
                                    "\x1b]2;title\x1b\\",
                                    "\x1b]52;c;cm0gLXJmIC8=\a",
                                    "\x1b]52;c;?\x1b\\",
                                    "\x1b]8;;http://x\x1b\\",
                                    "\x1b]4;1;?\a",
                                    "\x1b]1337;File=x:AAAA\a",
                                    "\x1bP$qm\x1b\\",
                                    "\x1bP+q544e\x1b\\",
                                    "\x1b_Gf=24;AAAA\x1b\\",
                                    "\x1b^x\x1b\\",
                                    "\x1bXx\x1b\\",
                                    "\x1b[6n",
                                    "\x1b[5n",
                                    "\x1b[?6n",
                                    "\x1b[c",
                                    "\x1b[>c",
                                    "\x1b[=c",
                                    "\x1b[0c",
                                    "\x1bZ",
                                    "\x05",
                                    "\x1b[21t",
                                    "\x1b[8;1;1t",
                                    "\x1b[>q",
                                    "\x1b[?1$p",
                                    "\x1b[1;1;1;1;1;1*y",
                                    "\x1b[0x",
                                    "\x1b[5i",
                                    "\x1b[?1000h",
                                    "\x1b[?1003;1006h",
                                    "\x1b[?1004h",
                                    "\x1b[?2004h",
                                    "\x1b[?1h",
                                    "\x1b[2h",
                                    "\x1b[12l",
                                    "\x1b[>4;2m",
                                    "\x1b[?4m",
                                    "\x1b[>1u",
                                    "\x1b[?u",
                                    "\x1b[1;1;1;1;1T",
                                    "\x1b[?3h",
                                    "\x1b[\"p",
                                    "\x1b[1 ?q",
                                    "\x1b F",
                                    "\xc2\x9b",
                                    "\xc2\x9d",
                                    "\x7f",
                                    "\xff",
                                    "\x9b"}) {
    const std::string around = "a" + std::string(harmful) + "b";
    EXPECT_EQ(filtered(around), "ab") << around.substr(1);
  }
}

TEST(TerminalFilterTest, OfSeveralModesTheHarmlessStay) {
  EXPECT_EQ(filtered("\x1b[?1000;25;2004;7h"), "\x1b[?25;7h");
}

TEST(TerminalFilterTest, SequencesMayBeCutAnywhere) {
  const std::string text =
      "a\x1b]52;c;AAAA\x1b\\b\x1b[1;31mc\x1b[6nd\x1b]0;t\xc3\xa9\a"
      "e\x1b(0f";
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    if (cut > 0 && (static_cast<unsigned char>(text[cut]) & 0xc0) == 0x80) continue;  // within a character
    TerminalFilter filter;
    const std::string first = filter.take(std::string_view(text).substr(0, cut));
    EXPECT_EQ(first + filter.take(std::string_view(text).substr(cut)), "ab\x1b[1;31mcde\x1b(0f") << cut;
  }
}

TEST(TerminalFilterTest, AStringWithoutAnEndDoesNotHideTheRest) {
  const std::string hidden = filtered("\x1b]0;" + std::string(100'000, 'x') + "seen");
  EXPECT_TRUE(hidden.ends_with("seen"));
  EXPECT_LT(hidden.size(), 40'000u);
  EXPECT_EQ(filtered("\x1b]0;x\x18"
                     "seen"),
            "seen")
      << "CAN ends it";
  EXPECT_EQ(filtered("\x1b[" + std::string(500, '1') + "mseen"), "seen") << "too long a sequence is none";
}

TEST(TerminalFilterTest, KnowsWhichScreenIsShown) {
  TerminalFilter filter;
  filter.take("\x1b[?1049h");
  EXPECT_TRUE(filter.on_alternate_screen());
  filter.take("\x1b[?1049l");
  EXPECT_FALSE(filter.on_alternate_screen());
}

TEST(PlainTextTest, LinesAsTheyWereRead) {
  EXPECT_EQ(plain("one\r\ntwo"), "one\ntwo\n");
  EXPECT_EQ(plain("\x1b[1;31mred\x1b[0m\r\n\x1b]0;t\a$ \r\n"), "red\n$\n");
  EXPECT_EQ(plain("$ lss\b \b -l\r\n"), "$ ls -l\n");
  EXPECT_EQ(plain("10%\r50%\r100%\r\n"), "100%\n");
  EXPECT_EQ(plain("abcdef\r\x1b[Kxy\r\n"), "xy\n");
  EXPECT_EQ(plain("abcdef\x1b[3D\x1b[K!\r\n"), "abc!\n");
  EXPECT_EQ(plain("abc\x1b[2Dx\x1b[C\r\n"), "axc\n");
  EXPECT_EQ(plain("abcd\x1b[3D\x1b[P\x1b[@Z\r\n"), "aZcd\n");
  EXPECT_EQ(plain("a\tb\r\n"), "a       b\n");
  EXPECT_EQ(plain("top\x1b[Hhome\x1b[2J\r\n"), "top\nhome\n");
  EXPECT_EQ(plain("\xe2\x82\xac"
                  "5\b6\r\n"),
            "\xe2\x82\xac"
            "6\n");
  EXPECT_EQ(plain("\x1b[999999999999C!\x1b[D\x1b[@\x1b[999P\r\n"), "\n\n") << "no line is that long";
  std::string grown = "x\r";
  for (int i = 0; i < 1000; ++i) grown += "\x1b[9999@";
  EXPECT_LE(plain(grown + "y\r\n").size(), 4097u);
  EXPECT_EQ(plain(""), "");
}

}  // namespace
}  // namespace envgate::record
