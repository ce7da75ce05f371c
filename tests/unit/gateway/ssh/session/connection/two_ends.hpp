// A Connection between two ends that are played: messages are built here, what it says of them is checked,
// and what it tells the record is kept.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "gateway/ssh/auth/wire.hpp"
#include "gateway/ssh/session/connection/connection.hpp"

namespace envgate::ssh::session::test {

using auth::Writer;
using Action = Verdict::Action;

// A message of `type` with these members: a number is a uint32, a bool a boolean, a text a string.
inline void put(Writer& writer, std::uint32_t value) { writer.uint32(value); }
inline void put(Writer& writer, int value) { writer.uint32(static_cast<std::uint32_t>(value)); }
inline void put(Writer& writer, bool value) { writer.boolean(value); }
inline void put(Writer& writer, std::string_view value) { writer.string(value); }
inline void put(Writer& writer, const std::string& value) { writer.string(value); }
inline void put(Writer& writer, const char* value) { writer.string(value); }

template <typename... Values>
std::string msg(std::uint8_t type, const Values&... values) {
  Writer writer;
  writer.byte(type);
  (put(writer, values), ...);
  return std::move(writer).bytes();
}

class TwoEnds : public testing::Test {
 protected:
  static constexpr Side kClient = Side::client, kTarget = Side::target;
  static constexpr std::uint32_t kWindow = 1000, kPacket = 500;

  void use(monitor::Policy policy) {
    connection = std::make_unique<Connection>(
        policy, [this](monitor::RecordEvent event) { events.push_back(std::move(event)); });
  }

  Verdict take(Side from, const std::string& payload) { return connection->take(from, payload, now); }

  void passes(Side from, const std::string& payload) {
    const Verdict verdict = take(from, payload);
    EXPECT_EQ(verdict.action, Action::pass) << verdict.text;
    EXPECT_TRUE(verdict.replies.empty());
    EXPECT_FALSE(verdict.replacement);
  }
  // Not passed, and answered at once with `reply` alone.
  void answered(Side from, const std::string& payload, const std::string& reply) {
    const Verdict verdict = take(from, payload);
    EXPECT_EQ(verdict.action, Action::drop) << verdict.text;
    EXPECT_EQ(verdict.replies, (std::vector<Verdict::Reply>{{from, reply}}));
  }
  // Passed, and followed by `replies` to the other end.
  void passes_and_answers(Side from, const std::string& payload, const std::vector<std::string>& replies) {
    const Verdict verdict = take(from, payload);
    EXPECT_EQ(verdict.action, Action::pass) << verdict.text;
    ASSERT_EQ(verdict.replies.size(), replies.size());
    for (std::size_t at = 0; at < replies.size(); ++at) {
      EXPECT_EQ(verdict.replies[at].to, other(from));
      EXPECT_EQ(verdict.replies[at].payload, replies[at]);
    }
  }
  void dropped(Side from, const std::string& payload) {
    const Verdict verdict = take(from, payload);
    EXPECT_EQ(verdict.action, Action::drop) << verdict.text;
    EXPECT_TRUE(verdict.replies.empty());
  }
  void violates(Side from, const std::string& payload, const std::string& text) {
    const Verdict verdict = take(from, payload);
    EXPECT_EQ(verdict.action, Action::violation);
    EXPECT_NE(verdict.text.find(text), std::string::npos) << verdict.text;
    EXPECT_TRUE(verdict.replies.empty() && !verdict.replacement);
  }

  // An open of a session with the client's number 1, which the target knows as 101; and so on.
  static std::string session_open(std::uint32_t number) {
    return msg(90, "session", number, kWindow, kPacket);
  }
  void confirm(Side from, std::uint32_t client_number) {
    const std::uint32_t target_number = client_number + 100;
    passes(from, from == kTarget ? msg(91, client_number, target_number, kWindow, kPacket)
                                 : msg(91, target_number, client_number, kWindow, kPacket));
  }
  void open_session(std::uint32_t number) {
    passes(kClient, session_open(number));
    confirm(kTarget, number);
  }
  static std::string data(Side from, std::uint32_t client_number, std::string_view bytes) {
    return msg(94, from == kClient ? client_number + 100 : client_number, bytes);
  }
  template <typename... Values>
  static std::string ask(std::uint32_t client_number, const char* name, bool want_reply, Values... values) {
    return msg(98, client_number + 100, name, want_reply, values...);
  }
  static std::string pty(std::uint32_t client_number) {
    return ask(client_number, "pty-req", true, "xterm", 80, 24, 0, 0, "");
  }
  void close_both(std::uint32_t client_number) {
    passes(kTarget, msg(97, client_number));
    passes(kClient, msg(97, client_number + 100));
  }

  template <typename Event>
  std::vector<Event> told() const {
    std::vector<Event> found;
    for (const auto& event : events)
      if (const auto* one = std::get_if<Event>(&event)) found.push_back(*one);
    return found;
  }
  void refused_once(const std::string& what, const std::string& detail) {
    ASSERT_EQ(told<monitor::Refused>().size(), 1u);
    EXPECT_EQ(told<monitor::Refused>()[0].what, what);
    EXPECT_EQ(told<monitor::Refused>()[0].detail, detail);
    events.clear();
  }

  void SetUp() override { use({}); }

  std::vector<monitor::RecordEvent> events;
  std::unique_ptr<Connection> connection;
  Clock::time_point now;
};

}  // namespace envgate::ssh::session::test
