// Tables, entries, JSON and YAML out of the API's objects; YAML and JSON into them.
#include "control/cli/output.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "control/cli/body_file.hpp"
#include "control/cli/environment_name.hpp"

namespace envgate::cli {
namespace {

constexpr Column kColumns[] = {
    {"NAME", "/name"},
    {"STATE", "/state", As::state},
    {"MADE OF", "/spec/image|/spec/machine"},
    {"MEMORY", "/m", As::bytes},
    {"LABELS", "/labels", As::text, true},
};
constexpr ListShape kShape{"things", kColumns, "no things"};

Json things() {
  return Json::parse(R"({"things": [
    {"name": "a", "state": "running", "spec": {"image": "x"}, "m": 17179869184, "labels": {"k": "v", "n": 1}},
    {"name": "b\u001b[2J", "state": "odd", "spec": {"image": "", "machine": "m1"}, "m": null}]})");
}

TEST(Output, AListAsATable) {
  EXPECT_EQ(list_text(things(), kShape, Format::table, false),
            "NAME   STATE    MADE OF  MEMORY\n"
            "a      running  x        16 GiB\n"
            "b?[2J  odd      m1            -\n");
  EXPECT_NE(list_text(things(), kShape, Format::wide, false).find("k=v, n=1"), std::string::npos);
  EXPECT_EQ(list_text(Json{{"things", Json::array()}}, kShape, Format::table, false), "no things\n");
}

TEST(Output, ColourMovesNoColumn) {
  const std::string text = list_text(things(), kShape, Format::table, true);
  EXPECT_NE(text.find("a      \x1b[32mrunning\x1b[0m  x"), std::string::npos) << text;
  EXPECT_NE(text.find("odd      m1"), std::string::npos) << "no colour for a state that is not known";
}

TEST(Output, AnEntryAsLinesWithoutWhatIsEmpty) {
  EXPECT_EQ(entry_text(things()["things"][1], kColumns, Format::table, false),
            "NAME     b?[2J\nSTATE    odd\nMADE OF  m1\n");
}

TEST(Output, UsedOfWhatThereIs) {
  const Json quota = {{"cpu", 8.0}, {"memory", 2048}, {"used", {{"cpu", 1.5}, {"memory", 1024}, {"gpu", 1}}}};
  EXPECT_EQ(cell_of(quota, {"", "/cpu", As::used}), "1.5 of 8");
  EXPECT_EQ(cell_of(quota, {"", "/memory", As::used_bytes}), "1.0 KiB of 2.0 KiB");
  EXPECT_EQ(cell_of(quota, {"", "/gpu", As::used}), "1") << "without a limit";
  EXPECT_EQ(cell_of(quota, {"", "/storage", As::used}), "");
}

TEST(Output, ListsAndMapsInACell) {
  const Json entry =
      Json::parse(R"({"policy": {"allow_from": [], "volumes": "keep", "x": {}, "n": ["a", 1.5]}})");
  EXPECT_EQ(cell_of(entry, {"", "/policy"}), "volumes=keep, n=a, 1.5");
}

TEST(Output, JsonKeepsTheOrderAndIsHarmless) {
  EXPECT_EQ(to_json_line(Json::parse(R"({"z": 1, "a": "\u001b\u009b\u007f\u00e9"})")),
            "{\"z\":1,\"a\":\"\\u001b\\u009b\\u007f\xc3\xa9\"}");
}

TEST(Output, WhatYamlSaysIsReadBackAsItWas) {
  const Json json = Json::parse(R"({"yes": "yes", "number": "12", "date": "2026-02-02", "null": "null",
    "n": null, "empty": "", "lines": "a\nb", "esc": "\u001b]0;x\u0007\u009b", "colon": "a: b", "hash": "a #b",
    "dash": "- a", "star": "*a", "size": "16GiB", "real": 1.5, "flag": true, "list": [], "map": {},
    "deep": [{"a": [1, "x y"]}]})");
  const std::string yaml = to_yaml(json);
  const auto back = parse_body(yaml, "it");
  ASSERT_TRUE(back) << yaml << back.error().message;
  EXPECT_EQ(back->dump(), json.dump()) << yaml;
  for (const char c : yaml) EXPECT_TRUE(c == '\n' || static_cast<unsigned char>(c) >= 0x20) << yaml;
}

TEST(BodyFile, ScalarsAreWhatYaml12SaysAndTextsBelowEnvAndLabels) {
  const auto body = parse_body(
      "a: 1\nb: 1.5\nc: true\nd: yes\ne: '1'\nf: ~\ng: 16GiB\nh: inf\n"
      "env: {A: 1, B: true, C: 0x1F}\nlabels: {rack: 07}\n",
      "f");
  ASSERT_TRUE(body) << body.error().message;
  EXPECT_EQ(body->dump(), R"({"a":1,"b":1.5,"c":true,"d":"yes","e":"1","f":null,"g":"16GiB","h":"inf",)"
                          R"("env":{"A":"1","B":"true","C":"0x1F"},"labels":{"rack":"07"}})");
}

TEST(BodyFile, ErrorsSayTheLine) {
  const auto body = parse_body("a: 1\nb: [\n", "f.yaml");
  ASSERT_FALSE(body);
  EXPECT_EQ(body.error().code, kMisuse);
  EXPECT_TRUE(body.error().message.starts_with("f.yaml:3: ")) << body.error().message;
}

TEST(BodyFile, NumbersAndPairs) {
  EXPECT_EQ(number_of("2", "--cpu")->dump(), "2");
  EXPECT_EQ(number_of("0.5", "--cpu")->dump(), "0.5");
  for (const char* text : {"", "x", "1x", "nan", "inf", "0x10", "1 ", "--1"})
    EXPECT_FALSE(number_of(text, "--cpu")) << text;
  EXPECT_EQ(key_and_value("a=b=c", "-e")->second, "b=c");
  EXPECT_EQ(key_and_value("a=", "-e")->second, "");
  for (const char* text : {"", "a", "=b"}) EXPECT_FALSE(key_and_value(text, "-e")) << text;
}

TEST(Names, OneLiveEnvironmentOrWhyNot) {
  const auto all =
      Json::parse(R"([{"id":"1","name":"x","state":"deleted"},{"id":"2","name":"x","state":"failed"},
    {"id":"3","name":"y","state":"running","owner":"o\u001b"},{"id":"4","name":"y","state":"running"},
    {"id":"5","name":"xx","state":"running"}])");
  EXPECT_EQ(only_one(all, "x")->at("id"), "2");
  EXPECT_EQ(only_one(all, "z").error().code, kNotFound);
  const auto several = only_one(all, "y");
  EXPECT_EQ(several.error().code, kConflict);
  EXPECT_NE(several.error().message.find("  3  o?  running\n  4  -  running\n"), std::string::npos)
      << several.error().message;
}

TEST(Refusals, StatusesBecomeExitCodes) {
  const auto code = [](int status) { return refusal_of(HttpAnswer{status, "", "", "", ""}).code; };
  EXPECT_EQ(code(404), kNotFound);
  EXPECT_EQ(code(409), kConflict);
  EXPECT_EQ(code(412), kConflict);
  for (const int status : {301, 400, 401, 403, 405, 413, 422, 500, 503})
    EXPECT_EQ(code(status), kFailed) << status;
  EXPECT_EQ(refusal_of(HttpFailure{"gone", true, false}).code, kFailed);
}

TEST(Refusals, OddProblemsAreShownAllTheSame) {
  const auto text = [](const char* body) { return refusal_of(HttpAnswer{422, "", "", "", body}).message; };
  EXPECT_EQ(text(R"({"detail":"no"})"), "no\n  (HTTP 422)\n");
  EXPECT_EQ(text(R"({"detail":"no","code":"c","errors":["a",{"pointer":"/p"},3],"request_id":7})"),
            "c: no\n  a\n  /p: \n  3\n  (HTTP 422, request 7)\n");
  EXPECT_EQ(text("[1]"), "envgate-control answered HTTP 422 without a reason");
}

}  // namespace
}  // namespace envgate::cli
