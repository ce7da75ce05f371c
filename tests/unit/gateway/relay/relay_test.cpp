#include "gateway/relay/relay.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <optional>

#include "gateway/loop/scope.hpp"
#include "tests/unit/gateway/loop/run_until.hpp"
#include "tests/unit/gateway/net/tcp_pair.hpp"

namespace envgate::relay {
namespace {

using net::TcpPair;

constexpr std::string_view kBanner = "SSH-2.0-test\r\n";

enum class Way { splice, copy };

std::string pattern(std::size_t size) {
  std::string out(size, '\0');
  for (std::size_t i = 0; i < size; ++i) out[i] = static_cast<char>(i * 7 + (i >> 9));
  return out;
}

// A relay between two connections whose other ends are the test's.
class Relay : public testing::TestWithParam<Way> {
 protected:
  void start(const Options& options = {}) {
    ASSERT_TRUE(client_socket_.open(reactor_, std::move(client.ours)));
    ASSERT_TRUE(target_socket_.open(reactor_, std::move(target.ours)));
    options_ = options;
    scope_.start(run());
  }
  loop::Task<void> run() {
    loop::Task<End> relaying = GetParam() == Way::splice
                                   ? relay_sockets(client_socket_, target_socket_, options_, progress)
                                   : relay_streams(client_socket_, target_socket_, options_, progress);
    end = co_await std::move(relaying);
    client_socket_.close();
    target_socket_.close();
  }
  void until(const std::function<bool()>& done) { loop::run_until(reactor_, done); }
  // The client sends while the target reads nothing: what was taken of it.
  std::string send_until_nothing_moves() {
    const std::string piece = pattern(1 << 16);
    std::string sent;
    int idle = 0;
    until([&] {
      const std::size_t taken = client.send(piece);
      sent.append(piece, 0, taken);
      idle = taken == 0 ? idle + 1 : 0;
      return idle > 50;
    });
    return sent;
  }
  void until_over() {
    until([&] { return end.has_value(); });
  }

  TcpPair client, target;
  Progress progress;
  std::optional<End> end;

 private:
  loop::Reactor reactor_;
  net::Socket client_socket_, target_socket_;
  Options options_;
  loop::Scope scope_;
};

INSTANTIATE_TEST_SUITE_P(, Relay, testing::Values(Way::splice, Way::copy),
                         [](const auto& of) { return of.param == Way::splice ? "Splice" : "Copy"; });

TEST_P(Relay, MovesEveryByteBothWays) {
  start();
  const std::string up = pattern(5'000'000), down = pattern(3'000'001);
  std::size_t sent_up = 0, sent_down = 0;
  until([&] {
    sent_up += client.send(std::string_view(up).substr(sent_up));
    sent_down += target.send(std::string_view(down).substr(sent_down));
    return target.has(up.size()) & client.has(down.size());
  });
  EXPECT_TRUE(target.received == up);
  EXPECT_TRUE(client.received == down);
  EXPECT_EQ(progress.to_target, up.size());
  EXPECT_EQ(progress.to_client, down.size());
  EXPECT_FALSE(end);
}

TEST_P(Relay, KeystrokesBetweenBulkStayInOrder) {
  start();
  const std::string bulk = pattern(700'000);
  std::string sent;
  for (int turn = 0; turn < 6; ++turn) {
    for (const std::string& piece : {bulk, std::string("ls\n"), std::string("q")}) {
      std::size_t taken = 0;
      until([&] {
        taken += client.send(std::string_view(piece).substr(taken));
        return target.has(sent.size() + piece.size());
      });
      sent += piece;
    }
  }
  EXPECT_TRUE(target.received == sent);
}

// The source is not listened to while the target is full: its end must be seen all the same.
TEST_P(Relay, AnEndBehindAFullTargetIsPassedOn) {
  start();
  const std::string sent = send_until_nothing_moves();
  client.finish();
  until([&] { return target.ended(); });
  EXPECT_TRUE(target.received == sent);
  EXPECT_FALSE(end);
}

TEST_P(Relay, KeepsHalfCloses) {
  start();
  client.send("last words");
  client.finish();
  until([&] { return target.ended(); });
  EXPECT_EQ(target.received, "last words");
  EXPECT_FALSE(end);
  target.send("the answer");
  until([&] { return client.has(10); });
  EXPECT_FALSE(client.at_end);
  target.finish();
  until_over();
  EXPECT_EQ(*end, End::closed);
  EXPECT_TRUE(client.ended());
  EXPECT_EQ(client.error, 0);
}

TEST_P(Relay, AResetIsPassedOnAsOne) {
  start();
  target.send("begun");
  until([&] { return client.has(5); });
  target.reset();
  until_over();
  EXPECT_EQ(*end, End::target_reset);
  EXPECT_TRUE(client.ended());
  EXPECT_EQ(client.error, ECONNRESET);
}

TEST_P(Relay, WhoDoesNotReadHoldsTheSender) {
  start();
  const std::string sent = send_until_nothing_moves();
  EXPECT_LT(sent.size(), std::size_t{40} << 20);  // what two sockets and a pipe hold
  until([&] { return target.has(sent.size()); });
  EXPECT_TRUE(target.received == sent);
}

TEST_P(Relay, SilenceEndsItWhereThatIsAskedFor) {
  Options options;
  options.idle_timeout = std::chrono::milliseconds(30);
  start(options);
  until_over();
  EXPECT_EQ(*end, End::idle);
  EXPECT_TRUE(client.ended() && target.ended());
}

TEST_P(Relay, ATargetThatIsNotSshShowsNothing) {
  Options options;
  options.require_ssh = true;
  start(options);
  client.send(kBanner);
  target.send(std::string("\0binary", 7));
  until_over();
  EXPECT_EQ(*end, End::target_not_ssh);
  EXPECT_TRUE(client.ended());
  EXPECT_EQ(client.received, "");
}

TEST_P(Relay, ASilentTargetIsGivenUp) {
  Options options;
  options.require_ssh = true;
  options.banner_timeout = std::chrono::milliseconds(30);
  start(options);
  client.send(kBanner);
  until_over();
  EXPECT_EQ(*end, End::target_too_slow);
}

TEST_P(Relay, ABandwidthIsKept) {
  Options options;
  options.throttle = {std::make_shared<Bandwidth>(), 400'000};
  start(options);
  const std::string bytes = pattern(200'000);
  const loop::Time began = loop::Clock::now();
  std::size_t sent = 0;
  until([&] {
    sent += client.send(std::string_view(bytes).substr(sent));
    return target.has(bytes.size());
  });
  EXPECT_TRUE(target.received == bytes);
  // Half of it beyond the burst, at 400,000 a second; the last step is not waited for.
  EXPECT_GE(loop::Clock::now() - began, std::chrono::milliseconds(150));
}

TEST_P(Relay, AClientThatIsNotSshNeverReachesTheTarget) {
  Options options;
  options.require_ssh = true;
  start(options);
  client.send("GET / HTTP/1.1\r\n\r\n");
  until_over();
  EXPECT_EQ(*end, End::client_not_ssh);
  EXPECT_TRUE(target.ended());
  EXPECT_EQ(target.received, "");
}

TEST_P(Relay, AClientThatLeavesWithinItsBannerIsNotWaitedFor) {
  Options options;
  options.require_ssh = true;
  start(options);
  client.send("SSH-2");
  client.finish();
  until_over();
  EXPECT_EQ(*end, End::client_not_ssh);
}

TEST_P(Relay, BothIdentificationsArePassedOnWhole) {
  Options options;
  options.require_ssh = true;
  start(options);
  target.send("hello there\r\n");
  target.send("SSH-2.0-target\r\n");
  client.send("SSH-2.0-");
  client.send("client\r\nmore");
  until([&] { return target.has(20) & client.has(29); });
  EXPECT_EQ(target.received, "SSH-2.0-client\r\nmore");
  EXPECT_EQ(client.received, "hello there\r\nSSH-2.0-target\r\n");
}

}  // namespace
}  // namespace envgate::relay
