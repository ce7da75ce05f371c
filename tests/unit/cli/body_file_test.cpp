// What is sent: files in YAML and JSON, and options over them.
#include "control/cli/body_file.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "control/cli/commands.hpp"
#include "control/cli/env_body.hpp"

namespace envgate::cli {
namespace {

std::string refusal(const std::string& text) {
  const auto body = parse_body(text, "f.yaml");
  if (body) return "none: " + body->dump();
  EXPECT_EQ(body.error().code, kMisuse);
  return body.error().message;
}

TEST(BodyFile, YamlAndJsonAreTheSame) {
  const Json wanted = Json::parse(R"({"a": 1, "b": [true, null, 1.5, "x", "1"], "c": {"d": "yes"}})");
  EXPECT_EQ(*parse_body(wanted.dump(), "f"), wanted);
  EXPECT_EQ(*parse_body("a: 1\nb: [true, ~, 1.5, x, '1']\nc: {d: yes}\n", "f"), wanted);
  EXPECT_EQ(*parse_body("{a: 1}", "f"), (Json{{"a", 1}})) << "YAML's own flow style";
}

TEST(BodyFile, BelowEnvAndLabelsEverythingIsAText) {
  EXPECT_EQ(*parse_body("env: {A: 1, B: true, C: 1.10, D: }\nlabels: {n: 0x10}\ncpu: 1\n", "f"),
            Json::parse(R"({"env": {"A": "1", "B": "true", "C": "1.10", "D": null},
                            "labels": {"n": "0x10"}, "cpu": 1})"));
}

TEST(BodyFile, WhatMakesNoSenseIsSaidWithItsPlace) {
  EXPECT_EQ(refusal("- 1\n"), "f.yaml: a map is expected, such as `name: training`");
  EXPECT_EQ(refusal(""), "f.yaml: a map is expected, such as `name: training`");
  EXPECT_NE(refusal("a: 1\nb: 2\na: 3\n").find("f.yaml:3: 'a' is there twice"), std::string::npos);
  EXPECT_NE(refusal("a: [1\n").find("f.yaml:"), std::string::npos);
}

TEST(BodyFile, DepthAndAliasesDoNotGrowWithoutEnd) {
  EXPECT_NE(refusal("a: " + std::string(200, '[') + std::string(200, ']')).find("deep"), std::string::npos);
  std::string laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 9; ++i) {
    const std::string before = "*a" + std::to_string(i - 1), name = "a" + std::to_string(i);
    laughs += name + ": &" + name + " [" + before;
    for (int j = 0; j < 9; ++j) laughs += ", " + before;
    laughs += "]\n";
  }
  EXPECT_NE(refusal(laughs).find("aliases"), std::string::npos);
}

TEST(BodyFile, KeysAndNumbers) {
  EXPECT_EQ(key_and_value("A=b=c", "--env")->second, "b=c");
  EXPECT_EQ(key_and_value("A=", "--env")->second, "");
  EXPECT_FALSE(key_and_value("=x", "--env"));
  EXPECT_FALSE(key_and_value("A", "--env"));
  EXPECT_EQ(*number_of("2", "--cpu"), 2);
  EXPECT_EQ(*number_of("0.5", "--cpu"), 0.5);
  for (const char* text : {"", "x", "1x", "inf", "nan", "0x10", " 1"})
    EXPECT_FALSE(number_of(text, "--cpu")) << text;
}

TEST(BodyFile, APrivateKeyIsNeverTaken) {
  EXPECT_EQ(public_keys("ssh-ed25519 AAAA me", "--key")->size(), 1u);
  EXPECT_FALSE(public_keys("ssh-ed25519 -----BEGIN OPENSSH PRIVATE KEY-----", "--key"));
  EXPECT_FALSE(public_keys("/dev/null", "--key"));
  EXPECT_FALSE(public_keys("/nonexistent/key.pub", "--key"));
}

Asked<Json> body_of(std::vector<std::string> words) {
  words.insert(words.begin(), {"env", "create"});
  const auto call = parse(all_commands(), words);
  EXPECT_TRUE(call) << (call ? "" : call.error().message);
  return environment_body(*call);
}

TEST(EnvBody, OptionsMakeTheBody) {
  const auto body =
      body_of({"n", "--owner", "o", "--image", "i", "--gpu", "2", "--port", "80:public", "--port", "22:tcp",
               "--mount", "volume:d:/d:ro", "--env", "K=", "--keep-volumes"});
  ASSERT_TRUE(body) << body.error().message;
  EXPECT_EQ(*body, Json::parse(R"({"name": "n", "owner": "o", "spec": {"image": "i", "gpu": {"count": 2},
      "mounts": [{"type": "volume", "source": "d", "target": "/d", "read_only": true}],
      "ports": [{"port": 80, "access": "public"}, {"port": 22, "access": "tcp"}], "env": {"K": ""}},
      "policy": {"volumes": "keep"}, "backend": "docker"})"));
}

TEST(EnvBody, WhatIsMissingOrWrongIsMisuse) {
  for (const std::vector<std::string>& words : {std::vector<std::string>{"n"},
                                                {"--owner", "o"},
                                                {"n", "--owner", "o", "--port", "65536"},
                                                {"n", "--owner", "o", "--port", ""},
                                                {"n", "--owner", "o", "--mount", "volume:d:relative"},
                                                {"n", "--owner", "o", "--cpu", "two"},
                                                {"n", "--owner", "o", "--selector", "gpus=many"}}) {
    const auto body = body_of(words);
    ASSERT_FALSE(body) << words.back();
    EXPECT_EQ(body.error().code, kMisuse) << words.back();
  }
}

}  // namespace
}  // namespace envgate::cli
