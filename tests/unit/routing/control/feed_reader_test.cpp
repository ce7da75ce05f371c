// The reader of the control plane's feed: whole, byte by byte, too long, wrong.
#include "routing/control/feed_reader.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace envgate::routing::control {
namespace {

using Type = FeedMessage::Type;

const std::string kOk = "HTTP/1.0 200 OK\r\nContent-Type: application/x-ndjson\r\n\r\n";
const std::string kBegin = R"({"type": "begin", "install": "a1b2c3d4", "generation": 41})"
                           "\n";
const std::string kRoute = R"({"type":"route","route":{"env":"demo","generation":17,"address":"10.0.0.1"}})"
                           "\n";

struct Outcome {
  std::vector<FeedMessage> messages;
  std::string error;
};

void drain(FeedReader& reader, Outcome& outcome) {
  while (outcome.error.empty()) {
    auto message = reader.next();
    if (!message) {
      outcome.error = message.error().message;
    } else if (*message) {
      outcome.messages.push_back(std::move(**message));
    } else {
      return;
    }
  }
}

Outcome read(const std::string& bytes, std::size_t piece = std::string::npos) {
  FeedReader reader;
  Outcome outcome;
  for (std::size_t at = 0; at < bytes.size() && outcome.error.empty(); at += std::min(piece, bytes.size())) {
    reader.add(std::string_view(bytes).substr(at, piece));
    drain(reader, outcome);
  }
  return outcome;
}

std::string refused(const std::string& line) { return read(kOk + line + "\n").error; }

TEST(FeedReader, GivesEachLineAsAMessage) {
  const std::string feed = kOk + kBegin + kRoute +
                           R"({"type":"end","generation":41})"
                           "\r\n" +
                           R"({"type":"route","generation":42,"route":{"env_id":"b","address":"10.0.0.2"}})"
                           "\n" +
                           R"({"type":"gone","generation":43,"env":"demo","unknown":[1]})"
                           "\n" +
                           R"({"type":"alive","generation":43})"
                           "\n";
  for (const std::size_t piece : {std::string::npos, std::size_t{1}, std::size_t{7}}) {
    const Outcome outcome = read(feed, piece);
    EXPECT_EQ(outcome.error, "");
    const auto& messages = outcome.messages;
    ASSERT_EQ(messages.size(), 6u) << piece;
    EXPECT_EQ(messages[0].type, Type::begin);
    EXPECT_EQ(messages[0].install, "a1b2c3d4");
    EXPECT_EQ(messages[0].generation, 41u);
    EXPECT_EQ(messages[1].type, Type::route);
    EXPECT_EQ(messages[1].env.str(), "demo");
    EXPECT_FALSE(messages[1].generation);
    EXPECT_EQ(messages[1].route->generation, 17u);
    EXPECT_EQ(messages[2].type, Type::end);
    EXPECT_EQ(messages[3].generation, 42u);
    EXPECT_EQ(messages[3].env.str(), "b");
    EXPECT_EQ(messages[4].type, Type::gone);
    EXPECT_EQ(messages[4].env.str(), "demo");
    EXPECT_EQ(messages[5].type, Type::alive);
  }
}

TEST(FeedReader, WaitsForTheEndOfALine) {
  FeedReader reader;
  Outcome outcome;
  reader.add(kOk + kBegin.substr(0, kBegin.size() - 1));
  drain(reader, outcome);
  EXPECT_TRUE(outcome.messages.empty());
  EXPECT_EQ(reader.closed().message, "closed by the server");
  reader.add("\n");
  drain(reader, outcome);
  EXPECT_EQ(outcome.messages.size(), 1u);
  EXPECT_EQ(outcome.error, "");
}

TEST(FeedReader, OneBadRouteIsItsOwnAffair) {
  const Outcome outcome = read(kOk +
                               R"({"type":"route","route":{"env":"bad","address":"nowhere"}})"
                               "\n" +
                               kRoute);
  EXPECT_EQ(outcome.error, "");
  ASSERT_EQ(outcome.messages.size(), 2u);
  EXPECT_EQ(outcome.messages[0].env.str(), "bad");
  ASSERT_FALSE(outcome.messages[0].route);
  EXPECT_NE(outcome.messages[0].route.error().message.find("address: \"nowhere\""), std::string::npos);
  EXPECT_TRUE(outcome.messages[1].route);
}

TEST(FeedReader, RefusesWhatIsNotTheFeed) {
  for (const char* line :
       {"", "garbage", "[]", "7", "{", R"({"type":"other","generation":1})", R"({"generation":1})",
        R"({"type":"begin","generation":1})", R"({"type":"begin","install":"a\"b","generation":1})",
        R"({"type":"begin","install":"a"})", R"({"type":"end"})", R"({"type":"end","generation":-1})",
        R"({"type":"end","generation":"1"})", R"({"type":"gone","generation":1,"env":"NO"})",
        R"({"type":"gone","generation":1})", R"({"type":"route"})", R"({"type":"route","route":[]})",
        R"({"type":"route","route":{"address":"10.0.0.1"}})", R"({"type":"route","route":{"env":7}})"})
    EXPECT_NE(refused(line), "") << line;
  EXPECT_EQ(refused("\x01\xff oops"), "a line of the feed is not a JSON object: \"\\u0001\\ufffd oops\"");
}

TEST(FeedReader, BoundsLinesAndHead) {
  const std::string line = R"({"type":"alive","generation":1,"pad":")";
  const std::string whole = line + std::string(kMaxLine - line.size() - 2, 'x') + "\"}";
  ASSERT_EQ(whole.size(), kMaxLine);
  EXPECT_EQ(read(kOk + whole + "\n").messages.size(), 1u);
  const Outcome longer = read(kOk + whole + " \n", 4096);
  EXPECT_TRUE(longer.messages.empty());
  EXPECT_NE(longer.error.find("longer than 66560 bytes"), std::string::npos) << longer.error;
  const Outcome endless = read(kOk + std::string(2 * kMaxLine, 'x'), 4096);
  EXPECT_NE(endless.error.find("longer than"), std::string::npos) << endless.error;
  const std::string head = "HTTP/1.0 200 OK\r\nX: ";
  EXPECT_EQ(read(head + std::string(kMaxHead - head.size() - 4, 'x') + "\r\n\r\n" + kBegin).messages.size(),
            1u);
  for (const std::size_t piece : {std::string::npos, std::size_t{1000}})
    EXPECT_EQ(read(head + std::string(kMaxHead, 'x') + "\r\n\r\n" + kBegin, piece).error,
              "the answer's head is longer than 16384 bytes");
}

TEST(FeedReader, RefusesOtherAnswers) {
  for (const char* head :
       {"SSH-2.0-x\r\n\r\n", "HTTP/2 200\r\n\r\n", "HTTP/1.0 20\r\n\r\n", "HTTP/1.0 2000\r\n\r\n", "\r\n\r\n",
        "HTTP/1.0 200 OK\r\nContent-Length: -1\r\n\r\n"})
    EXPECT_NE(read(head).error, "") << head;
  EXPECT_NE(read("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").error.find("Transfer-Encoding"),
            std::string::npos);
}

TEST(FeedReader, SaysWhatARefusalSays) {
  const std::string body =
      R"({"title":"Forbidden","code":"forbidden","detail":"only the group envgate may"})";
  const std::string said =
      "it answered 403 Forbidden: only the group envgate may (the gateway's account must be in one of the "
      "groups of control.groups.read)";
  const std::string head = "HTTP/1.0 403 Forbidden\r\nContent-Length: ";
  EXPECT_EQ(read(head + std::to_string(body.size()) + "\r\n\r\n" + body, 1).error, said);
  // Without a length it lasts until the end.
  FeedReader reader;
  reader.add("HTTP/1.0 403 Forbidden\r\n\r\n" + body);
  EXPECT_FALSE(reader.next().value());
  EXPECT_EQ(reader.closed().message, said);
  EXPECT_EQ(read("HTTP/1.0 503 Unavailable\r\nContent-Length: 4\r\n\r\noops").error,
            "it answered 503 Unavailable");
  EXPECT_EQ(FeedReader().closed().message, "closed by the server before it answered");
}

}  // namespace
}  // namespace envgate::routing::control
