#include "control/cli/arguments.hpp"

#include <gtest/gtest.h>

#include <set>

#include "control/cli/commands.hpp"
#include "control/cli/connect.hpp"

namespace envgate::cli {
namespace {

int run_nothing(const Invocation&) { return 0; }

constexpr Option kSocket{"--socket", 's', "PATH", "where"};
constexpr Option kOutput{"--output", 'o', "FORMAT", "how"};
constexpr Option kForce{"--force", 0, "", "really"};
constexpr Option kOptions[] = {kSocket, kOutput};
constexpr Option kLabel{"--label", 'l', "TEXT", "what it says", true};
constexpr Option kWait{"--wait", 'w', "[SECONDS]", "how long"};
constexpr Option kForced[] = {kForce, kLabel, kWait};
constexpr Command kCommands[] = {
    heading("box", "Boxes"),
    {"box status", "", 0, 0, kOptions, "Say how it is", "", run_nothing},
    {"box set", "KEY VALUE", 2, 2, kOptions, "Set a key", "\nMore about it.\n", run_nothing},
    heading("open", "Others"),
    {"open", "LID...", 1, 9, kForced, "Open lids", "", run_nothing},
};

using Words = std::vector<std::string>;

Result<Invocation> read(const Words& words) { return parse(kCommands, words); }

std::string error(const Words& words) {
  const auto call = read(words);
  return call ? "no error" : call.error().message;
}

TEST(Arguments, FindsTheCommandAndItsWords) {
  const auto call = read({"box", "set", "log.level", "debug"});
  ASSERT_TRUE(call);
  EXPECT_EQ(call->command->path, "box set");
  EXPECT_EQ(call->words, (Words{"log.level", "debug"}));
  EXPECT_TRUE(call->options.empty());
}

TEST(Arguments, OptionsStandAnywhereAndInEveryForm) {
  for (const Words& words : {Words{"box", "status", "--socket", "/s", "-o", "json"},
                             Words{"--socket=/s", "box", "-ojson", "status"},
                             Words{"-s", "/s", "--output=json", "box", "status"}}) {
    const auto call = read(words);
    ASSERT_TRUE(call) << call.error().message;
    EXPECT_EQ(call->command->path, "box status");
    EXPECT_EQ(call->value("--socket"), "/s");
    EXPECT_EQ(call->value("--output", "table"), "json");
  }
}

TEST(Arguments, AnEmptyValueIsAValue) {
  const auto call = read({"box", "status", "--socket="});
  ASSERT_TRUE(call);
  EXPECT_TRUE(call->has("--socket"));
  EXPECT_EQ(call->value("--socket", "other"), "");
}

TEST(Arguments, SomeOptionsRepeatAndKeepTheirOrder) {
  const auto call = read({"open", "-l", "b=1", "lid", "--label=a", "-lb=1"});
  ASSERT_TRUE(call) << call.error().message;
  EXPECT_EQ(call->values("--label"), (Words{"b=1", "a", "b=1"}));
  EXPECT_EQ(call->value("--label"), "b=1") << "the last one";
  EXPECT_EQ(call->words, (Words{"lid"}));
  EXPECT_TRUE(call->values("--force").empty());
}

TEST(Arguments, AValueThatMayBeLeftOutIsGivenWithAnEqualsSign) {
  EXPECT_EQ(read({"open", "--wait", "lid"})->words, (Words{"lid"}));
  EXPECT_EQ(read({"open", "--wait", "lid"})->value("--wait", "x"), "");
  EXPECT_EQ(read({"open", "lid", "--wait=30"})->value("--wait"), "30");
  EXPECT_EQ(read({"open", "lid", "-w30"})->value("--wait"), "30");
  EXPECT_FALSE(read({"open", "lid"})->has("--wait"));
}

TEST(Arguments, BehindTwoDashesEverythingIsAWord) {
  const auto call = read({"box", "set", "--socket", "/s", "--", "--key", "-1"});
  ASSERT_TRUE(call);
  EXPECT_EQ(call->words, (Words{"--key", "-1"}));
  EXPECT_EQ(read({"box", "set", "log.file", "-"})->words, (Words{"log.file", "-"}))
      << "one dash alone is a word";
}

TEST(Arguments, MisuseNamesWhatIsWrongAndWhereToLook) {
  EXPECT_EQ(error({}), "a command is needed: box, open; see envctl --help");
  EXPECT_EQ(error({"box"}), "a command is needed: status, set; see envctl box --help");
  EXPECT_EQ(error({"lid"}), "there is no command 'lid'; there are: box, open; see envctl --help");
  EXPECT_EQ(error({"box", "stat"}),
            "there is no command 'box stat'; there are: status, set; see envctl box --help");
  EXPECT_EQ(error({"box", "set", "a"}),
            "box set takes KEY VALUE, and there are 1; see envctl box set --help");
  EXPECT_EQ(error({"box", "status", "x"}),
            "box status takes no argument, and there are 1; see envctl box status --help");
  EXPECT_EQ(error({"box", "status", "--colour"}), "unknown option '--colour'; see envctl --help");
  EXPECT_EQ(error({"box", "status", "--force"}),
            "option '--force' does not belong to box status; see envctl box status --help");
  EXPECT_EQ(error({"box", "status", "-s"}), "option '-s' needs a value: PATH; see envctl --help");
  EXPECT_EQ(error({"open", "a", "--force=yes"}), "option '--force' takes no value; see envctl --help");
  EXPECT_EQ(error({"box", "status", "-s", "a", "--socket", "b"}),
            "option '--socket' is given twice; see envctl box status --help");
}

TEST(Arguments, HelpAtEveryLevel) {
  const std::string all = read({"--help"})->help;
  EXPECT_NE(all.find("  box set KEY VALUE  Set a key\n"), std::string::npos) << all;
  EXPECT_NE(all.find("  open LID...        Open lids\n"), std::string::npos) << all;
  const std::string group = read({"box", "-h"})->help;
  EXPECT_NE(group.find("Usage: envctl box COMMAND"), std::string::npos) << group;
  EXPECT_NE(all.find("\nBoxes:\n  box status"), std::string::npos) << all;
  EXPECT_NE(all.find("\n\nOthers:\n  open"), std::string::npos) << all;
  const std::string open = read({"open", "--help"})->help;
  EXPECT_NE(open.find("-w, --wait[=SECONDS]"), std::string::npos) << open;
  EXPECT_NE(open.find("what it says; may repeat"), std::string::npos) << open;
  EXPECT_EQ(group.find("LID"), std::string::npos) << group;
  const std::string one = read({"box", "set", "--help"})->help;
  EXPECT_NE(one.find("Usage: envctl box set KEY VALUE"), std::string::npos) << one;
  EXPECT_NE(one.find("More about it."), std::string::npos);
  EXPECT_NE(one.find("-s, --socket PATH"), std::string::npos);
  EXPECT_EQ(read({"box", "set", "--help"})->command, nullptr) << "nothing runs where help is asked for";
  EXPECT_FALSE(read({"lid", "--help"}));
}

TEST(Arguments, EveryRealCommandCanBeReached) {
  const std::vector<Command>& commands = all_commands();
  for (const Command& command : commands) {
    if (!command.run) continue;
    Words words;
    for (std::size_t at = 0; at < command.path.size(); at = command.path.find(' ', at) + 1) {
      words.emplace_back(command.path.substr(at, command.path.find(' ', at) - at));
      if (command.path.find(' ', at) == std::string_view::npos) break;
    }
    words.insert(words.end(), command.least, "x");
    const auto call = parse(commands, words);
    ASSERT_TRUE(call) << command.path << ": " << call.error().message;
    EXPECT_EQ(call->command->path, command.path);
    EXPECT_FALSE(command.summary.empty());
    EXPECT_FALSE(command.summary.ends_with('.')) << command.path;
  }
}

// An option is read before it is known whose it is.
TEST(Arguments, AnOptionTakesAValueEverywhereOrNowhere) {
  std::map<std::string_view, bool> bare;
  for (const Command& command : all_commands()) {
    std::set<char> letters{'h'};
    for (const Option& option : command.options) {
      const auto [known, fresh] = bare.emplace(option.name, option.may_lack_value());
      EXPECT_EQ(known->second, option.may_lack_value()) << option.name << " of " << command.path;
      if (option.letter) {
        EXPECT_TRUE(letters.insert(option.letter).second)
            << option.name << " of " << command.path << ": its letter is another's too";
        const auto as_letter =
            bare.emplace(std::string_view(&option.letter, 1), option.may_lack_value()).first;
        EXPECT_EQ(as_letter->second, option.may_lack_value()) << option.name << " of " << command.path;
      }
    }
  }
}

TEST(HostPort, ReadsEveryForm) {
  struct Case {
    const char* text;
    const char* host;
    int port;
  };
  for (const Case& c : {Case{"demo.ssh.localhost", "demo.ssh.localhost", 443}, Case{"gw:8443", "gw", 8443},
                        Case{"1.2.3.4:1", "1.2.3.4", 1}, Case{"[::1]", "::1", 443},
                        Case{"[::1]:65535", "::1", 65535}, Case{"::1", "::1", 443}}) {
    const auto read = parse_host_port(c.text, 443);
    ASSERT_TRUE(read) << c.text;
    EXPECT_EQ(read->host, c.host);
    EXPECT_EQ(read->port, c.port) << c.text;
  }
}

TEST(HostPort, RefusesTheRest) {
  for (const char* text : {"", ":443", "gw:", "gw:0", "gw:65536", "gw:x", "gw:-1", "gw: 1", "[::1", "[]:1",
                           "[::1]443", "[::1]:"})
    EXPECT_FALSE(parse_host_port(text, 443)) << text;
}

}  // namespace
}  // namespace envgate::cli
