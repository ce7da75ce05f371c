#include "record/command_guess.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace envgate::record::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::vector<std::string> commands_in(std::string_view output) {
  CommandGuess guess;
  std::vector<std::string> out;
  for (const GuessedCommand& one : guess.take(1, output)) out.push_back(one.prompt + "|" + one.command);
  return out;
}

TEST(CommandGuess, PromptsOfTheUsualShells) {
  EXPECT_THAT(
      commands_in("root@gpu:~# ls -l\r\n[ada@gpu a b]$ vim x\r\nbash-5.2$ id\r\n$ true\r\n# reboot\r\n"
                  "(venv) ada@gpu:/srv$ pip list\r\n~/work \xe2\x9d\xaf make\r\ngpu:/root# w\r\n"),
      ElementsAre("root@gpu:~#|ls -l", "[ada@gpu a b]$|vim x", "bash-5.2$|id", "$|true", "#|reboot",
                  "(venv) ada@gpu:/srv$|pip list", "~/work \xe2\x9d\xaf|make", "gpu:/root#|w"));
}

TEST(CommandGuess, OutputIsNoCommand) {
  EXPECT_THAT(
      commands_in("total 12\r\ncost: 5 $ each\r\n100% done\r\n$HOME is set\r\n50 % of it\r\n(a $ b\r\n\r\n"),
      IsEmpty());
}

TEST(CommandGuess, AnEmptyLineAndOneThatHasNotEndedAreNone) {
  EXPECT_THAT(commands_in("$ \r\nroot@gpu:~# \r\nroot@gpu:~# not yet"), IsEmpty());
}

TEST(CommandGuess, WhatWasTypedOverIsResolved) {
  EXPECT_THAT(commands_in("\x1b[?2004h\x1b[01;32mroot@gpu\x1b[0m:~# lss\b\x1b[K -a\r\n"),
              ElementsAre("root@gpu:~#|ls -a"));
}

TEST(CommandGuess, TheTimeIsTheLinesEnd) {
  CommandGuess guess;
  EXPECT_THAT(guess.take(1.5, "$ l"), IsEmpty());
  EXPECT_THAT(guess.take(2.5, "s\r\nfile\r\n"), ElementsAre(GuessedCommand{2.5, "$", "ls"}));
}

TEST(CommandGuess, WhatAnEditorDrawsIsPassedOver) {
  CommandGuess guess;
  EXPECT_THAT(guess.take(1, "$ vi notes\r\n"), ElementsAre(GuessedCommand{1, "$", "vi notes"}));
  EXPECT_THAT(guess.take(2, "\x1b[?1049h"), IsEmpty());
  EXPECT_THAT(guess.take(3, "$ rm -rf /\r\n# a heading\r\n"), IsEmpty());
  EXPECT_THAT(guess.take(4, "\x1b[?1049l"), IsEmpty());
  EXPECT_THAT(guess.take(5, "$ id\r\n"), ElementsAre(GuessedCommand{5, "$", "id"}));
}

}  // namespace
}  // namespace envgate::record::test
