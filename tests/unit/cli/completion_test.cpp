#include "control/cli/completion.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "control/cli/commands.hpp"

namespace envgate::cli {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using Words = std::vector<std::string>;

// Answers with what it was asked: "env show:ENV".
Words asked(std::string_view path, std::string_view kind) {
  return {std::string(path) + ":" + std::string(kind)};
}

Words offered(const Words& words) { return candidates(all_commands(), words, asked); }

TEST(Completion, CommandsGroupByGroup) {
  EXPECT_THAT(offered({"au"}), ElementsAre("audit"));
  EXPECT_THAT(offered({"audit", ""}), ElementsAre("ls", "verify", "--help"));
  EXPECT_THAT(offered({"--v"}), ElementsAre("--version"));
  EXPECT_THAT(offered({"frobnicate", ""}), IsEmpty());
  EXPECT_THAT(offered({}), IsEmpty());
}

TEST(Completion, OptionsAreTheCommandsOwnAndNotTwice) {
  EXPECT_THAT(offered({"env", "rm", "x", "--y"}), ElementsAre("--yes"));
  EXPECT_THAT(offered({"env", "rm", "--yes", "--y"}), IsEmpty());
  EXPECT_THAT(offered({"env", "create", "--port", "80", "--po"}), ElementsAre("--port", "--policy"));
  EXPECT_THAT(offered({"env", "rm", "--", "--y"}), IsEmpty()) << "behind -- there are only words";
}

TEST(Completion, ValuesByTheirKind) {
  EXPECT_THAT(offered({"env", "ls", "-o", "y"}), ElementsAre("yaml"));
  EXPECT_THAT(offered({"gateway", "routes", "--output", ""}), ElementsAre("table", "json"));
  EXPECT_THAT(offered({"env", "create", "--file", "x"}), ElementsAre(":files"));
  EXPECT_THAT(offered({"env", "create", "--node", ""}), ElementsAre("env create:NODE"));
  EXPECT_THAT(offered({"env", "create", "--port", ""}), ElementsAre("env create:PORT[:ACCESS[:SCHEME]]"));
  EXPECT_THAT(offered({"env", "stop", "--wait", ""}), ElementsAre("env stop:ENV")) << "its value needs an =";
}

TEST(Completion, ArgumentsByTheirKind) {
  EXPECT_THAT(offered({"env", "open", ""}), ElementsAre("env open:ENV"));
  EXPECT_THAT(offered({"env", "open", "x", ""}), ElementsAre("env open:PORT"));
  EXPECT_THAT(offered({"env", "open", "x", "80", ""}), IsEmpty());
  EXPECT_THAT(offered({"gateway", "kill", "1", "2", ""}), ElementsAre("gateway kill:ID"));
  EXPECT_THAT(offered({"config", "explain", ""}), ElementsAre("config explain:KEY"));
  EXPECT_THAT(offered({"machine", "import", ""}), ElementsAre(":files"));
  EXPECT_THAT(offered({"session", "verify", "a", ""}), ElementsAre("session verify:RECORD"));
  const auto nobody = [](std::string_view, std::string_view) { return Words(); };
  EXPECT_THAT(candidates(all_commands(), {"session", "replay", ""}, nobody), ElementsAre(":files"));
  EXPECT_THAT(offered({"session", "verify", "a", "--key", ""}), ElementsAre(":files"));
  EXPECT_THAT(offered({"env", "ls", ""}), IsEmpty());
}

}  // namespace
}  // namespace envgate::cli
