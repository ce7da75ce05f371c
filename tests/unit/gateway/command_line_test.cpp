#include "base/command_line.hpp"

#include <gmock/gmock.h>

#include "gateway/load_settings.hpp"
#include "tests/unit/temp_dir.hpp"

namespace envgate::gateway {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Result<CommandLine> parse(std::vector<std::string> words) {
  words.insert(words.begin(), "envgate");
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  return parse_command_line(program_text(), static_cast<int>(words.size()), argv.data());
}

std::string misuse(std::vector<std::string> words) {
  const auto line = parse(std::move(words));
  return line ? "accepted" : line.error().message;
}

TEST(CommandLine, ReadsEveryOption) {
  const auto line =
      parse({"--config", "a.yaml", "--environment=prod", "--set", "a=b", "--set=c=d=e", "--check"}).value();
  EXPECT_EQ(line.config, "a.yaml");
  EXPECT_EQ(line.environment, "prod");
  EXPECT_THAT(line.sets, ElementsAre("a=b", "c=d=e"));
  EXPECT_TRUE(line.check);
  EXPECT_FALSE(line.explain);
  EXPECT_EQ(parse({"-c", "b.yaml"})->config, "b.yaml");
  EXPECT_TRUE(parse({"--help"})->help);
  EXPECT_TRUE(parse({"-V"})->version);
  EXPECT_EQ(parse({})->config, "");
}

TEST(CommandLine, ExplainTakesItsKeyEitherWay) {
  EXPECT_EQ(parse({"--explain"})->explain_key, "");
  EXPECT_TRUE(parse({"--explain"})->explain);
  EXPECT_EQ(parse({"--explain=ssh.bind"})->explain_key, "ssh.bind");
  EXPECT_EQ(parse({"--explain", "ssh.bind"})->explain_key, "ssh.bind");
  const auto line = parse({"--explain", "ssh", "--config", "x"}).value();
  EXPECT_EQ(line.explain_key, "ssh");
  EXPECT_EQ(line.config, "x");
  const auto other = parse({"--explain", "--config", "x"}).value();
  EXPECT_EQ(other.explain_key, "");
  EXPECT_EQ(other.config, "x");
}

TEST(CommandLine, MisuseIsNamed) {
  EXPECT_THAT(misuse({"--cnofig", "x"}), HasSubstr("unknown or ambiguous option '--cnofig'"));
  EXPECT_THAT(misuse({"-x"}), HasSubstr("unknown option '-x'"));
  EXPECT_THAT(misuse({"--config"}), HasSubstr("option '--config' needs a value"));
  EXPECT_THAT(misuse({"--check=yes"}), HasSubstr("option '--check' takes no value"));
  EXPECT_THAT(misuse({"--set", "novalue"}), HasSubstr("'novalue' is not KEY=VALUE"));
  EXPECT_THAT(misuse({"--set", "=v"}), HasSubstr("is not KEY=VALUE"));
  EXPECT_THAT(misuse({"envgate.yaml"}), HasSubstr("unexpected word 'envgate.yaml'"));
  EXPECT_THAT(misuse({"--config="}), HasSubstr("--config needs a file"));
  EXPECT_THAT(misuse({"--check", "--explain"}), HasSubstr("exclude each other"));
  EXPECT_THAT(misuse({"-x"}), HasSubstr("--help"));
}

TEST(CommandLine, UsageNamesEveryOption) {
  for (const char* option :
       {"--config", "--environment", "--set", "--check", "--explain", "--version", "--help"})
    EXPECT_THAT(usage(program_text()), HasSubstr(option));
  EXPECT_THAT(std::string(version()), testing::MatchesRegex("[0-9]+\\.[0-9]+\\.[0-9]+"));
}

class Printed : public testing::Test {
 protected:
  int check(const std::string& yaml) {
    line_.config = dir_.write("gw.yaml", yaml);
    return run([&] { return settings::print_check("envgate", gateway_schema(), sources()); });
  }
  int explain(const std::string& key) {
    return run([&] { return settings::print_explain("envgate", gateway_schema(), sources(), key); });
  }
  settings::Sources sources() const { return settings::sources_of(line_, {}); }
  template <typename Print>
  int run(Print print) {
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    const int status = print();
    out_ = testing::internal::GetCapturedStdout();
    err_ = testing::internal::GetCapturedStderr();
    return status;
  }
  const test::TempDir dir_;
  CommandLine line_;
  std::string out_, err_;
};

TEST_F(Printed, CheckOfAGoodFile) {
  EXPECT_EQ(check("domain: x-gpu.com\nworkers: 2\n"), 0);
  EXPECT_THAT(out_, HasSubstr("the settings are good: " + line_.config + ", 2 of "));
  EXPECT_EQ(err_, "");
}

TEST_F(Printed, CheckOfABadFileSaysAll) {
  EXPECT_EQ(check("domain: X\n\nworkers: x\n"), 1);
  EXPECT_EQ(out_, "");
  EXPECT_THAT(err_, HasSubstr(line_.config + ":1: domain: "));
  EXPECT_THAT(err_, HasSubstr(line_.config + ":3: workers: "));
  EXPECT_THAT(err_, testing::EndsWith("envgate: 2 errors in the settings\n"));
}

TEST_F(Printed, ExplainOfOneOfManyAndOfNone) {
  line_.config = dir_.write("gw.yaml", "ssh: {bind: 127.0.0.1}\n");
  EXPECT_EQ(explain("ssh.bind"), 0);
  EXPECT_THAT(out_, HasSubstr("ssh.bind = 127.0.0.1\n"));
  EXPECT_THAT(out_, HasSubstr("from:     global file, " + line_.config + ":1"));
  EXPECT_EQ(explain("ssh"), 0);
  EXPECT_THAT(out_, HasSubstr("ssh.port_range = 50000-59999  # default\n"));
  EXPECT_EQ(explain("shs"), 1);
  EXPECT_THAT(err_, HasSubstr("unknown key 'shs'; did you mean 'ssh'?"));
}

}  // namespace
}  // namespace envgate::gateway
