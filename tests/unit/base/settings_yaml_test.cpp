#include "base/settings_yaml.hpp"

#include <gmock/gmock.h>

#include "tests/unit/temp_dir.hpp"

namespace envgate::settings {
namespace {

using testing::HasSubstr;

Node parse(std::string_view text) {
  auto node = parse_yaml(text, "f");
  EXPECT_TRUE(node) << node.error().to_string();
  return node ? *node : Node{};
}

std::string refused(std::string_view text) {
  const auto node = parse_yaml(text, "f");
  return node ? "accepted" : node.error().to_string();
}

TEST(SettingsYaml, KeepsTheLinesOfKeysAndValues) {
  const Node root = parse("# comment\nssh:\n  bind: 0.0.0.0\n  ports:\n    - 1\n    - 2\n");
  ASSERT_EQ(root.kind, Node::Kind::map);
  ASSERT_EQ(root.names.size(), 1u);
  EXPECT_EQ(root.names[0].text, "ssh");
  EXPECT_EQ(root.names[0].line, 2);
  const Node& ssh = root.items[0];
  EXPECT_EQ(ssh.items[0].scalar, "0.0.0.0");
  EXPECT_EQ(ssh.items[0].line, 3);
  EXPECT_EQ(ssh.items[1].kind, Node::Kind::list);
  EXPECT_EQ(ssh.items[1].items[1].scalar, "2");
  EXPECT_EQ(ssh.items[1].items[1].line, 6);
}

TEST(SettingsYaml, TellsNothingFromAnEmptyText) {
  const Node root = parse("a:\nb: ~\nc: null\nd: \"\"\ne: \"null\"\n");
  EXPECT_EQ(root.items[0].kind, Node::Kind::null);
  EXPECT_EQ(root.items[1].kind, Node::Kind::null);
  EXPECT_EQ(root.items[2].kind, Node::Kind::null);
  EXPECT_EQ(root.items[3].kind, Node::Kind::scalar);
  EXPECT_EQ(root.items[3].scalar, "");
  EXPECT_EQ(root.items[4].kind, Node::Kind::scalar);
  EXPECT_EQ(root.items[4].scalar, "null");
}

TEST(SettingsYaml, AnEmptyFileIsNothing) {
  EXPECT_EQ(parse("").kind, Node::Kind::null);
  EXPECT_EQ(parse("# only a comment\n").kind, Node::Kind::null);
  EXPECT_EQ(parse("---\n").kind, Node::Kind::null);
  EXPECT_EQ(parse("\xef\xbb\xbf"
                  "a: 1\n")
                .names[0]
                .text,
            "a");  // a byte order mark
  EXPECT_EQ(parse("a: 1\r\nb: 2\r\n").items[1].scalar, "2");
}

TEST(SettingsYaml, KeepsRepeatedKeysForTheReaderToReport) {
  const Node root = parse("a: 1\na: 2\n");
  ASSERT_EQ(root.names.size(), 2u);
  EXPECT_EQ(root.names[1].line, 2);
}

TEST(SettingsYaml, NamesTheLineOfASyntaxError) {
  EXPECT_THAT(refused("a: 1\nb: [1, 2\nc: 3\n"), HasSubstr("f:"));
  EXPECT_THAT(refused("a: 1\n\tb: 2\n"), HasSubstr("f:2: not valid YAML"));
  EXPECT_THAT(refused("a: 1\n  b: 2\n"), HasSubstr("f:2: not valid YAML"));
  EXPECT_THAT(refused("bind: [::]:443\n"), HasSubstr("not valid YAML"));
}

TEST(SettingsYaml, ABombIsRefusedAtItsFirstAnchor) {
  std::string bomb = "a0: &a0 [x, x]\n";
  for (int i = 1; i < 40; ++i) {
    const std::string n = std::to_string(i), p = std::to_string(i - 1);
    bomb += "a" + n + ": &a" + n + " [*a" + p + ", *a" + p + "]\n";
  }
  EXPECT_EQ(refused(bomb), "f:1: anchors (&name) are not used here: write the value out");
  EXPECT_THAT(refused("a: *b\n"), HasSubstr("f:1: "));
  EXPECT_THAT(refused("<<: {a: 1}\nb: !!int 3\n"), HasSubstr("f:2: tags"));
}

TEST(SettingsYaml, DepthIsBounded) {
  EXPECT_THAT(refused("a: " + std::string(17, '[') + std::string(17, ']')),
              HasSubstr("f:1: nested more than 16 deep"));
  EXPECT_THAT(refused(std::string(100'000, '[')),
              HasSubstr("f:1: "));  // never closed: yaml-cpp takes it for a key
  EXPECT_THAT(refused(std::string(100'000, '{')), HasSubstr("f:1: "));
  std::string dashes;
  for (int i = 0; i < 50'000; ++i) dashes += "- ";
  EXPECT_THAT(refused(dashes + "x"), HasSubstr("nested more than 16 deep"));
  std::string nested;
  for (int i = 0; i < 40; ++i) nested += std::string(static_cast<std::size_t>(i), ' ') + "a:\n";
  EXPECT_THAT(refused(nested), HasSubstr("f:17: nested more than 16 deep"));
  parse(std::string(16, '[') + std::string(16, ']'));
}

TEST(SettingsYaml, LengthIsBounded) {
  EXPECT_THAT(refused("a: " + std::string(kMaxFileBytes, 'x')), HasSubstr("more than 1 MiB"));
  parse("a: " + std::string(kMaxFileBytes - 3, 'x'));
}

TEST(SettingsYaml, RefusesWhatIsNoSettingsFile) {
  EXPECT_THAT(refused(std::string_view("a: \0b", 5)), HasSubstr("NUL byte at offset 3"));
  EXPECT_THAT(refused("a: 1\n---\nb: 2\n"), HasSubstr("more than one YAML document"));
  EXPECT_THAT(refused("? [a, b]\n: c\n"), HasSubstr("a key must be a plain word"));
  EXPECT_THAT(refused("? {a: b}\n: c\n"), HasSubstr("a key must be a plain word"));
  EXPECT_THAT(refused(": c\n"), HasSubstr("a key is missing"));
}

TEST(SettingsFile, IsReadUpToTheLimit) {
  const test::TempDir dir;
  EXPECT_EQ(read_settings_file(dir.write("a", "x: 1\n")).value(), "x: 1\n");
  EXPECT_EQ(read_settings_file(dir.path("missing")).error().message,
            "cannot open: No such file or directory");
  EXPECT_FALSE(read_settings_file(dir.path(".")));
  const auto endless = read_settings_file("/dev/zero");
  ASSERT_TRUE(endless);
  EXPECT_GT(endless->size(), kMaxFileBytes);
  EXPECT_LT(endless->size(), 2 * kMaxFileBytes);
}

}  // namespace
}  // namespace envgate::settings
